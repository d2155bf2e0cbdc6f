"""Concurrent requests to a service, with a progress bar; one failure does not stop the rest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seewhy.cli.terminal.console import error_console
from seewhy.client import ClientError

_MAX_CONCURRENT = 8

Key = TypeVar("Key")
Result = TypeVar("Result")


def run_concurrently(
    tasks: Mapping[Key, Callable[[], Result]],
    *,
    description: str,
    on_end: Callable[[Key, Result | None, str | None], None] | None = None,
) -> tuple[dict[Key, Result], dict[Key, str]]:
    """Run the tasks in threads; return their results in order, and the reason of each failure.

    `on_end` receives the key of each task that has ended, and its result or the reason.
    `ClientError` and `OSError` fail only the task that raised them; other exceptions propagate.
    """
    results: dict[Key, Result] = {}
    failures: dict[Key, str] = {}
    with _progress() as progress, ThreadPoolExecutor(_MAX_CONCURRENT) as threads:
        futures = {threads.submit(task): key for key, task in tasks.items()}
        try:
            for future in progress.track(
                as_completed(futures), total=len(futures), description=description
            ):
                try:
                    results[futures[future]] = future.result()
                except ClientError as error:
                    failures[futures[future]] = str(error)
                except OSError as error:
                    failures[futures[future]] = error.strerror or str(error)
                if on_end:
                    key = futures[future]
                    on_end(key, results.get(key), failures.get(key))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return {key: results[key] for key in tasks if key in results}, failures


def print_failures(failures: Mapping[str, str], *, total: int, noun: str) -> None:
    """Print each failure with its reason, and how many of the total failed, on stderr."""
    for name, reason in failures.items():
        error_console().print(f"{name}: {reason}", style="red", soft_wrap=True)
    if failures:
        error_console().print(f"{len(failures)} of {total} {noun} failed")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=error_console(),
        transient=True,
    )
