"""Many requests to a service: several in flight, a bar, and what went wrong."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seewhy.cli.console import notes
from seewhy.client import ClientError

_IN_FLIGHT = 8

Name = TypeVar("Name")
Made = TypeVar("Made")


def run_together(
    tasks: Mapping[Name, Callable[[], Made]], *, description: str
) -> tuple[dict[Name, Made], dict[Name, str]]:
    """Run tasks side by side; return what was made, in order, and why the others failed.

    What the client raises, and what the system says of a file, fails its own task alone.
    """
    done: dict[Name, Made] = {}
    failed: dict[Name, str] = {}
    with _bar() as bar, ThreadPoolExecutor(_IN_FLIGHT) as threads:
        jobs = {threads.submit(task): name for name, task in tasks.items()}
        try:
            for job in bar.track(as_completed(jobs), total=len(jobs), description=description):
                try:
                    done[jobs[job]] = job.result()
                except ClientError as error:
                    failed[jobs[job]] = str(error)
                except OSError as error:
                    failed[jobs[job]] = error.strerror or str(error)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: done[name] for name in tasks if name in done}, failed


def tell_failed(failed: Mapping[str, str], *, of: int, what: str = "photos") -> None:
    """Say on stderr what failed and why, and how many of all."""
    for name, reason in failed.items():
        notes().print(f"{name}: {reason}", style="red", soft_wrap=True)
    if failed:
        notes().print(f"{len(failed)} of {of} {what} failed")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=notes(),
        transient=True,
    )
