"""`seewhy agreement`: which annotations of a Label Studio project agree least with the evidence."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DEFAULT_URL, KeyOption

if TYPE_CHECKING:
    from seewhy.client import Client, MeasuredAgreement


def agreement(
    project: Annotated[int, typer.Argument(min=0, help="The id of a project in Label Studio.")],
    limit: Annotated[
        int, typer.Option(min=1, max=200, help="How many annotations, worst first.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer of the service as JSON.")
    ] = False,
    fiftyone: Annotated[
        Path | None,
        typer.Option(
            "--fiftyone",
            help="Also write the explanations as a FiftyOne data set into this folder, a new or an "
            "empty one, with the agreement of each in fields.",
            file_okay=False,
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="URL of the service.")] = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """List the annotations of a Label Studio project whose explanations agree least with them.

    Those at the top are right for the wrong reason, or wrong: the evidence lies outside of what was
    marked. Exits with status 1 if the data set was not written or lacks some of them. See
    docs/label-studio.md.
    """
    from seewhy.cli.terminal.console import error_console
    from seewhy.client import Client
    from seewhy.settings import load

    if fiftyone:
        from seewhy.cli.terminal.dataset_export import require_empty

        require_empty(fiftyone)
    with Client(url, key=load().key_for_service(key)) as client:
        ranked = client.agreements(project, limit=limit)
        is_written = fiftyone is None or _write(client, ranked.agreements, fiftyone)
    if as_json:
        typer.echo(ranked.model_dump_json(indent=2))
    else:
        _print_table(ranked.agreements)
    shown, complete = len(ranked.agreements), "" if ranked.is_complete else "at least "
    error_console().print(f"{shown} of {complete}{ranked.found} annotations with an agreement")
    if not is_written:
        raise typer.Exit(1)


def _write(client: "Client", agreements: "tuple[MeasuredAgreement, ...]", out: Path) -> bool:
    """Write the explanations as a data set; return whether all were written."""
    from seewhy.cli.terminal.agreement_items import fetch_measured
    from seewhy.cli.terminal.dataset_export import dataset_folder, write_items
    from seewhy.datasets.one_file import FiftyOneWriter

    fetches = (
        (f"annotation {one.annotation} of task {one.task}", partial(fetch_measured, client, n, one))
        for n, one in enumerate(agreements)
    )
    with dataset_folder(out) as folder:
        writer = FiftyOneWriter(folder, shape=FiftyOneWriter.shapes[0], image_folder_url="")
        return write_items(writer, fetches, total=len(agreements), noun="explanations")


def _print_table(agreements: "tuple[MeasuredAgreement, ...]") -> None:
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console

    table = Table(box=None)
    for title in ("task", "annotation", "class", "p"):
        table.add_column(title, overflow="fold")
    for title in ("inside", "chance", "pointing", "IoU"):
        table.add_column(title, justify="right")
    table.add_column("explanation", no_wrap=True)
    for one in agreements:
        measured = one.agreement
        table.add_row(
            str(one.task),
            str(one.annotation),
            one.target.label + ("" if one.is_predicted else " (not predicted)"),
            _percent(one.target.probability),
            _percent(measured.energy_inside),
            _percent(measured.coverage),
            {True: "hit", False: "miss", None: ""}[measured.pointing_hit],
            "" if measured.iou is None else f"{measured.iou:.2f}",
            one.explanation,
        )
    output_console().print(table)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
