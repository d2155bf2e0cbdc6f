"""Concurrent requests to a service, with a progress bar; one failure does not stop the rest."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seewhy.cli.terminal.console import error_console
from seewhy.client import ClientError
from seewhy.errors import SeewhyError

_MAX_CONCURRENT = 8
_MAX_OPEN = 64

Key = TypeVar("Key")
Result = TypeVar("Result")


def run_concurrently(
    tasks: Iterable[tuple[Key, Callable[[], Result]]],
    *,
    total: int,
    description: str,
    on_end: Callable[[Key, Result | None, str | None], None] | None = None,
) -> tuple[dict[Key, Result], dict[Key, str]]:
    """Run tasks in threads; return their results, and the reason of each failure, in their order.

    A task starts when `tasks` yields it, while not too many others wait. `on_end` receives the key
    of each task that has ended, and its result or the reason. `ClientError` and `OSError` fail only
    the task that raised them; other exceptions, and those of `tasks`, propagate.
    """
    results: dict[Key, Result] = {}
    failures: dict[Key, str] = {}
    keys: dict[Future[Result], Key] = {}
    with _progress() as progress, ThreadPoolExecutor(_MAX_CONCURRENT) as threads:
        bar = progress.add_task(description, total=total)

        def take(ended: Iterable[Future[Result]]) -> None:
            for future in ended:
                key = keys[future]
                try:
                    results[key] = future.result()
                except (ClientError, OSError) as error:
                    failures[key] = reason_of(error)
                if on_end:
                    on_end(key, results.get(key), failures.get(key))
                progress.advance(bar)

        open_: set[Future[Result]] = set()
        try:
            for key, task in tasks:
                future = threads.submit(task)
                keys[future] = key
                open_.add(future)
                limit_s = 0 if len(open_) < _MAX_OPEN else None
                ended, open_ = wait(open_, timeout=limit_s, return_when=FIRST_COMPLETED)
                take(ended)
            take(as_completed(open_))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    order = list(keys.values())
    return {key: results[key] for key in order if key in results}, failures


def run_in_order(
    tasks: Iterable[tuple[Key, Callable[[], Result]]],
) -> Generator[tuple[Key, Future[Result]], None, None]:
    """Run tasks in threads; yield each, ended or not, in their order.

    At most eight have been started and not yielded, so no more than eight results are in memory.
    """
    open_: deque[tuple[Key, Future[Result]]] = deque()
    with ThreadPoolExecutor(_MAX_CONCURRENT) as threads:
        try:
            for key, task in tasks:
                open_.append((key, threads.submit(task)))
                if len(open_) == _MAX_CONCURRENT:
                    yield open_.popleft()
            while open_:
                yield open_.popleft()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def reason_of(error: SeewhyError | OSError) -> str:
    """Say why a task failed."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


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
