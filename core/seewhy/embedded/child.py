"""One supervised command: its description, and the process that runs it."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seewhy.embedded.environment import child_environment
from seewhy.embedded.parent_guard import guarded

_MAX_LOG_BYTES = 10_000_000
_TAIL_BYTES = 8_000


@dataclass(frozen=True, kw_only=True)
class Child:
    """A command to keep running. Its output is appended to `log_file`."""

    name: str
    command: tuple[str, ...]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables added to those of this process."""
    dropped_prefix: str | None = None
    """Variables of this process with this prefix are not inherited."""
    grace_s: float = 3.0
    """Time between SIGTERM and SIGKILL."""
    group: str = ""
    """Children of one group that were started in a row stop at the same time."""


class RunningChild:
    """A started child in its own process group, so that Ctrl-C reaches only the supervisor."""

    def __init__(self, child: Child) -> None:
        """Start the command. Call from the main thread: see `parent_guard`."""
        _rotate_log(child.log_file)
        with child.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                guarded(child.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(child.environment, dropped_prefix=child.dropped_prefix),
                start_new_session=True,
            )
        self.child = child

    @property
    def pid(self) -> int:
        """The process id; on Linux, that of the command itself."""
        return self._process.pid

    def exit_description(self) -> str | None:
        """Return how the command exited, or None while it runs. Kills what it left behind."""
        status = self._process.poll()
        if status is None:
            return None
        self._signal_group(signal.SIGKILL)  # processes that it forked may hold its port
        return _describe_exit(status)

    def terminate(self) -> None:
        """Send SIGTERM to the command."""
        self._process.terminate()

    def kill_after(self, grace_s: float) -> str:
        """Kill what still runs of the command after `grace_s`, and return how it exited."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(grace_s, 0.0))
        self._signal_group(signal.SIGKILL)
        return _describe_exit(self._process.wait())

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, number)


def last_lines(log_file: Path, *, count: int = 12) -> str:
    """Return the last lines of a log file; an empty string if there is none."""
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])


def _rotate_log(log_file: Path) -> None:
    with suppress(FileNotFoundError):
        if log_file.stat().st_size > _MAX_LOG_BYTES:
            log_file.replace(log_file.with_suffix(".1.log"))


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
