"""Explanations from the service as a data set on disk: what commands that export share."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer
from rich.progress import track

from seewhy.cli.terminal.concurrency import print_failures, reason_of, run_in_order
from seewhy.cli.terminal.console import error_console
from seewhy.client import ClientError
from seewhy.datasets.dataset import DatasetItem, DatasetWriter
from seewhy.datasets.new_folder import new_folder
from seewhy.errors import InvalidAnnotation


def require_empty(out: Path) -> None:
    """Raise `typer.BadParameter` unless a folder is new or empty."""
    with _reported(out):
        found = next(out.iterdir(), None) if out.exists() else None
        if found:
            raise typer.BadParameter(
                f"{out} is not empty, it has {found.name}: name a new folder, or empty this one"
            )


@contextmanager
def dataset_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill, as `new_folder` does; exit with a sentence if that fails."""
    with _reported(out), new_folder(out) as folder:
        yield folder


@contextmanager
def _reported(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error_console().print(
            f"seewhy: {out} cannot be written: {reason_of(error)}. Nothing was kept: free some "
            "space or name another folder, and run the command again.",
            soft_wrap=True,
        )
        raise typer.Exit(1) from error


def write_items(
    writer: DatasetWriter,
    fetches: Iterable[tuple[str, Callable[[], DatasetItem]]],
    *,
    total: int,
    noun: str,
) -> bool:
    """Fetch named items, eight at a time, write them in their order, and close the writer.

    Prints those that failed, and returns whether all succeeded. Raises what `fetches` raises, and
    `OSError` when the data set cannot be written.
    """
    failures: dict[str, str] = {}
    with closing(writer), closing(run_in_order(fetches)) as fetched:
        for name, fetch in track(
            fetched, total=total, description="exporting", console=error_console(), transient=True
        ):
            try:
                writer.add(fetch.result())
            except (ClientError, InvalidAnnotation) as error:
                failures[name] = str(error)
        writer.finish()
    print_failures(failures, total=total, noun=noun)
    return not failures
