"""Consoles: results go to stdout, everything else to stderr."""

from collections.abc import Callable
from functools import cache
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


def output_console() -> Console:
    """Return the console for the results of a command (stdout)."""
    return Console(highlight=False, markup=False)


@cache
def error_console() -> Console:
    """Return the console for progress, warnings and errors (stderr).

    There is one, so that what is printed during progress appears above its bar.
    """
    return Console(stderr=True, highlight=False, markup=False)


class DownloadProgress:
    """A progress bar per download. A context manager; call it to add a download."""

    def __init__(self, console: Console) -> None:
        """Prepare the bars; they appear with the first byte."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def __call__(self, name: str) -> Callable[[int, int | None], None]:
        """Return a callback that takes the bytes done and the total bytes, if known."""
        task = self._progress.add_task(f"downloading {name}", start=False, total=None)

        def update(done_bytes: int, total_bytes: int | None) -> None:
            self._progress.start()
            self._progress.start_task(task)
            self._progress.update(task, completed=done_bytes, total=total_bytes)

        return update
