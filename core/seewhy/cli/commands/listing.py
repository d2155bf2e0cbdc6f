"""`seewhy list`: which explanations a person should look at, and why."""

from itertools import islice
from math import isnan
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DEFAULT_URL, KeyOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seewhy.client import Summary


def list_explanations(
    batch: Annotated[
        str | None, typer.Option(help="The id of a batch. Default: the latest explanations.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many explanations to list.")] = 20,
    as_listed: Annotated[
        bool,
        typer.Option(
            "--as-listed", help="The newest first, or the order of the batch; no suspicion order."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    url: Annotated[str, typer.Option(help="URL of the service.")] = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """List the latest explanations, the most suspicious first, with why to look at them.

    Suspicion is in bits; docs/metrics.md has its formulas. The newest 2,000 explanations, or all of
    a batch, are sorted.
    """
    from seewhy.client import Client
    from seewhy.settings import load

    with Client(url, key=load().key_for_service(key)) as client:
        found = client.batches.summaries(batch) if batch else client.summaries()
        in_order = found if as_listed else iter(sorted(found, key=_order))
        shown = list(islice(in_order, limit))
    if as_json:
        typer.echo("[" + ",\n ".join(summary.model_dump_json() for summary in shown) + "]")
    else:
        _print_table(shown)


def _order(summary: "Summary") -> float:
    """Order by suspicion; explanations without a result come last."""
    return -summary.suspicion.score if summary.suspicion else 1.0


def _print_table(summaries: "Iterable[Summary]") -> None:
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console

    table = Table(box=None)
    table.add_column("explanation", no_wrap=True)
    table.add_column("key", overflow="fold")
    table.add_column("class", overflow="fold")
    for title in ("p", "bits"):
        table.add_column(title, justify="right")
    table.add_column("why", overflow="fold")
    for summary in summaries:
        answer, suspicion = summary.answer, summary.suspicion
        table.add_row(
            summary.id,
            summary.key or "",
            answer.label if answer else "",
            "" if answer is None or isnan(answer.probability) else f"{answer.probability:.0%}",
            f"{suspicion.score:.1f}" if suspicion else "",
            _reasons(summary),
        )
    output_console().print(table)


def _reasons(summary: "Summary") -> str:
    """Say what is suspicious, the strongest reason first, or why there is no result."""
    if summary.suspicion:
        return "; ".join(part.words for part in summary.suspicion.parts)
    return summary.error.detail if summary.error else summary.status
