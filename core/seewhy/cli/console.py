"""What commands say to people: results on stdout, everything else on stderr."""

from collections.abc import Callable
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


def results() -> Console:
    """The console for what was asked for."""
    return Console(highlight=False, markup=False)


def notes() -> Console:
    """The console for progress, notes and mistakes."""
    return Console(stderr=True, highlight=False, markup=False)


class Downloads:
    """A bar for each download; use it as a context manager, call it for a callback."""

    def __init__(self, console: Console) -> None:
        """Nothing shows before the first byte."""
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
        """Return the callback that is told bytes done and bytes in all."""
        task = self._progress.add_task(f"fetching {name}", start=False, total=None)

        def show(done_bytes: int, total_bytes: int | None) -> None:
            self._progress.start()
            self._progress.start_task(task)
            self._progress.update(task, completed=done_bytes, total=total_bytes)

        return show
