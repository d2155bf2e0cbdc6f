"""`seewhy agreement`: which annotations of a Label Studio project agree least with the evidence."""

from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DEFAULT_URL, KeyOption

if TYPE_CHECKING:
    from seewhy.client import MeasuredAgreement


def agreement(
    project: Annotated[int, typer.Argument(min=0, help="The id of a project in Label Studio.")],
    limit: Annotated[
        int, typer.Option(min=1, max=200, help="How many annotations, worst first.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer of the service as JSON.")
    ] = False,
    url: Annotated[str, typer.Option(help="URL of the service.")] = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """List the annotations of a Label Studio project whose explanations agree least with them.

    Those at the top are right for the wrong reason, or wrong: the evidence lies outside of what was
    marked. See docs/label-studio.md.
    """
    from seewhy.cli.terminal.console import error_console
    from seewhy.client import Client
    from seewhy.settings import load

    with Client(url, key=load().key_for_service(key)) as client:
        ranked = client.agreements(project, limit=limit)
    if as_json:
        typer.echo(ranked.model_dump_json(indent=2))
    else:
        _print_table(ranked.agreements)
    shown, complete = len(ranked.agreements), "" if ranked.is_complete else "at least "
    error_console().print(f"{shown} of {complete}{ranked.found} annotations with an agreement")


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
