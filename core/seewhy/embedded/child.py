"""One supervised command: what to run, and the process that runs it now."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seewhy.embedded.environment import passed_on
from seewhy.embedded.parent_guard import guarded

_LOG_LIMIT_BYTES = 10_000_000
_TAIL_BYTES = 8_000


@dataclass(frozen=True, kw_only=True)
class Child:
    """A command that is to be kept running. Its output goes to the end of `log_file`.

    `environment` is added to that of this process; `without` names the prefix of variables that
    are not passed on. `grace_s` is the time between SIGTERM and SIGKILL when it is stopped.
    """

    name: str
    command: tuple[str, ...]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    without: str | None = None
    grace_s: float = 3.0


class RunningChild:
    """A started child, in a process group of its own: Ctrl-C reaches the supervisor alone."""

    def __init__(self, child: Child) -> None:
        """Start the command. Call from the main thread: see `guard`."""
        _keep_small(child.log_file)
        with child.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                guarded(child.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=passed_on(child.environment, without=child.without),
                start_new_session=True,
            )
        self.child = child

    @property
    def pid(self) -> int:
        """The process id, on Linux that of the command itself."""
        return self._process.pid

    def ended(self) -> str | None:
        """Return how the command ended, in words, or None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        self._signal_group(signal.SIGKILL)  # what it forked and left: they may hold its port
        return _in_words(status)

    def stop(self, *, grace_s: float) -> str:
        """Ask the command to end, kill its whole group after `grace_s`; return how it ended."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(grace_s, 0.0))
        self._signal_group(signal.SIGKILL)
        return _in_words(self._process.wait())

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, number)


def tail(log_file: Path, *, lines: int = 12) -> str:
    """Return the last lines of a log, or nothing when there is none."""
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _keep_small(log_file: Path) -> None:
    with suppress(FileNotFoundError):
        if log_file.stat().st_size > _LOG_LIMIT_BYTES:
            log_file.replace(log_file.with_suffix(".1.log"))


def _in_words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
