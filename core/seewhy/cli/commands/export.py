"""`seewhy export`: write a finished batch as a data set of a labeling tool."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import KeyOption, UrlOption
from seewhy.datasets.options import DatasetFormat, Shape

if TYPE_CHECKING:
    from seewhy.client import Batch, Client, ItemResult, RegionOptions
    from seewhy.datasets.dataset import DatasetItem


def export(
    batch: Annotated[str, typer.Argument(help="The id of a batch that has ended.")],
    format_: Annotated[DatasetFormat, typer.Option("--format", help="The format to write.")],
    out: Annotated[
        Path, typer.Option(help="The folder to write to: a new or an empty one.", file_okay=False)
    ],
    shape: Annotated[
        Shape | None,
        typer.Option(
            help="How regions are written. Default: masks, or boxes where the format has no masks."
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            help="Where regions begin: a fraction of the strongest evidence, `otsu`, or `p90`. "
            "Default: that of the request, or 0.15."
        ),
    ] = None,
    components: Annotated[
        int, typer.Option(min=1, max=50, help="How many regions of each map, largest first.")
    ] = 1,
    image_folder_url: Annotated[
        str,
        typer.Option(
            help="The URL of the folder with the images, which precedes their names in Label "
            "Studio's tasks."
        ),
    ] = "/data/local-files/?d=images/",
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Write a finished batch as a data set: images, regions of the maps, and the list of classes.

    The images are the upright ones, as PNG. Items without a result are listed. The folder gets its
    content when that is complete. Exits with status 0 if all items were written, 1 if some were
    not or the folder cannot be written, and 2 if an argument is wrong. See
    docs/annotation-formats.md.
    """
    from seewhy.cli.terminal.dataset_export import dataset_folder, require_empty, write_items
    from seewhy.cli.terminal.exported_items import fetch_item
    from seewhy.cli.terminal.service import connect_or_start
    from seewhy.datasets.formats import WRITERS

    writer_class = WRITERS[format_]
    shape = _shape_of(format_, shape, writer_class.shapes)
    require_empty(out)
    options: RegionOptions = {"threshold": threshold, "components": components}
    with connect_or_start(url, key=key, model=None) as client:
        ended = _ended_batch(client, batch)
        with dataset_folder(out) as folder, closing(client.batches.results(ended)) as results:
            writer = writer_class(folder, shape=shape, image_folder_url=image_folder_url)
            fetch = partial(
                fetch_item, client, shape=shape, heatmaps=writer.needs_heatmaps, options=options
            )
            fetches = _fetches(results, fetch)
            all_written = write_items(writer, fetches, total=ended.counts.total, noun="items")
    if not all_written:
        raise typer.Exit(1)
    typer.echo(out)


def _shape_of(format_: DatasetFormat, shape: Shape | None, allowed: tuple[Shape, ...]) -> Shape:
    """Return the shape to write, by default the first allowed one. Raises `BadParameter`."""
    if shape is not None and shape not in allowed:
        shapes = ", ".join(allowed)
        raise typer.BadParameter(f"{format_} cannot hold a {shape}: choose one of {shapes}")
    return shape or allowed[0]


def _ended_batch(client: "Client", batch_id: str) -> "Batch":
    """Return a batch that has ended. Raises `BadParameter`."""
    batch = client.batches.get(batch_id)
    if not batch.status.terminal:
        raise typer.BadParameter(
            f"the batch is {batch.status}: {batch.counts.ended} of {batch.counts.total} items "
            "have ended; wait for it, or cancel it"
        )
    return batch


def _fetches(
    results: "Iterable[ItemResult]", fetch: "Callable[[ItemResult], DatasetItem]"
) -> "Iterator[tuple[str, Callable[[], DatasetItem]]]":
    """Yield the name of each item, and what fetches it."""
    for item in results:
        yield f"{item.index} {item.key}" if item.key else str(item.index), partial(fetch, item)
