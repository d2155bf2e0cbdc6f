"""`seewhy export`: write a finished batch as a data set of a labeling tool."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import KeyOption, UrlOption
from seewhy.datasets.options import DatasetFormat, Shape

if TYPE_CHECKING:
    from seewhy.client import Batch, Client, RegionOptions
    from seewhy.datasets.dataset import DatasetWriter


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

    The images are the upright ones, as PNG. Items without a result are listed. Exits with status 0
    if all items were written, 1 if some were not, and 2 if an argument is wrong. See
    docs/annotation-formats.md.
    """
    from seewhy.cli.terminal.service import connect_or_start
    from seewhy.datasets.formats import WRITERS

    writer_class = WRITERS[format_]
    shape = shape or writer_class.shapes[0]
    if shape not in writer_class.shapes:
        allowed = ", ".join(writer_class.shapes)
        raise typer.BadParameter(f"{format_} cannot hold a {shape}: choose one of {allowed}")
    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{out} is not empty: name a new folder, or empty this one")
    options: RegionOptions = {"threshold": threshold, "components": components}
    with connect_or_start(url, key=key, model=None) as client:
        ended = client.batches.get(batch)
        if not ended.status.terminal:
            raise typer.BadParameter(
                f"the batch is {ended.status}: {ended.counts.ended} of {ended.counts.total} items "
                "have ended; wait for it, or cancel it"
            )
        writer = writer_class(out, shape=shape, image_folder_url=image_folder_url)
        if not write_batch(client, ended, writer, shape=shape, options=options):
            raise typer.Exit(1)
    typer.echo(out)


def write_batch(
    client: "Client",
    batch: "Batch",
    writer: "DatasetWriter",
    *,
    shape: Shape,
    options: "RegionOptions",
) -> bool:
    """Write the items one after the other; print those that failed; return whether all succeeded.

    Raises `ClientError` when the results cannot be read to their end.
    """
    from rich.progress import track

    from seewhy.cli.terminal.concurrency import print_failures, reason_of
    from seewhy.cli.terminal.console import error_console
    from seewhy.cli.terminal.exported_items import fetch_item
    from seewhy.client import ClientError
    from seewhy.errors import InvalidAnnotation

    failures: dict[str, str] = {}
    with closing(client.batches.results(batch)) as results:
        for item in track(
            results,
            total=batch.counts.total,
            description="exporting",
            console=error_console(),
            transient=True,
        ):
            name = f"{item.index} {item.key}" if item.key else str(item.index)
            if item.explanation is None or item.explanation.result is None:
                failures[name] = item.error.detail if item.error else str(item.status)
                continue
            try:
                fetched = fetch_item(
                    client,
                    item,
                    item.explanation,
                    shape=shape,
                    heatmaps=writer.needs_heatmaps,
                    options=options,
                )
            except (ClientError, InvalidAnnotation) as error:
                failures[name] = reason_of(error)
                continue
            writer.add(fetched)
    writer.finish()
    print_failures(failures, total=batch.counts.total, noun="items")
    return not failures
