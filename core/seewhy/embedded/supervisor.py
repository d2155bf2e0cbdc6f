"""Start child processes, restart those that exit, and stop them in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from seewhy.embedded.child import Child, RunningChild, last_lines
from seewhy.embedded.errors import StartFailed


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """The delay before each restart: it doubles, up to a limit, until a child runs long enough."""

    initial_s: float = 0.5
    max_s: float = 30.0
    reset_after_s: float = 60.0
    """A child that ran this long starts again with the initial delay."""

    def delay_s(self, failures: int) -> float:
        """Return the delay after this many failures in a row (1 or more)."""
        doublings = min(failures - 1, 32)
        return min(self.initial_s * 2.0**doublings, self.max_s)


@dataclass
class _Slot:
    """A child and its process, which is None until `restart_at_s`."""

    child: Child
    running: RunningChild | None = None
    started_at_s: float = 0.0
    restart_at_s: float = 0.0
    failures: int = 0


class Supervisor:
    """Restarts children that exit. Call all methods from the main thread."""

    def __init__(
        self,
        *,
        report: Callable[[str, str], None],
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        launch: Callable[[Child], RunningChild] = RunningChild,
    ) -> None:
        """Supervise no child yet. `report(name, line)` receives one line per event."""
        self._report = report
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._launch = launch
        self._slots: list[_Slot] = []

    def start(self, child: Child) -> None:
        """Start a child; from now on `poll` restarts it when it exits."""
        slot = _Slot(child)
        self._slots.append(slot)
        self._start(slot)

    def pid(self, name: str) -> int | None:
        """Return a child's process id, or None while it waits for its restart."""
        for slot in self._slots:
            if slot.child.name == name and slot.running is not None:
                return slot.running.pid
        return None

    def poll(self) -> None:
        """Record exits and restart the children whose delay is over. Call it often."""
        for slot in self._slots:
            if slot.running is not None:
                description = slot.running.exit_description()
                if description is not None:
                    self._record_exit(slot, description)
            elif self._clock() >= slot.restart_at_s:
                self._start(slot)

    def raise_if_crash_looping(self, max_failures: int) -> None:
        """Raise `StartFailed`, quoting the log, if a child failed this often in a row."""
        for slot in self._slots:
            if slot.failures >= max_failures:
                raise StartFailed(
                    f"the {slot.child.name} does not start; "
                    f"the last lines of {slot.child.log_file}:\n{last_lines(slot.child.log_file)}"
                )

    def stop(self) -> None:
        """Stop the children group by group, last started first, each within its grace period."""
        while self._slots:
            stopped = [self._slots.pop()]
            group = stopped[0].child.group
            while group and self._slots and self._slots[-1].child.group == group:
                stopped.append(self._slots.pop())
            running = [(slot.child, slot.running) for slot in stopped if slot.running is not None]
            for _, process in running:
                process.terminate()
            terminated_s = self._clock()
            for child, process in running:
                description = process.kill_after(child.grace_s - (self._clock() - terminated_s))
                self._report(child.name, f"stopped ({description})")

    def _start(self, slot: _Slot) -> None:
        slot.running = self._launch(slot.child)
        slot.started_at_s = self._clock()
        verb = "restarted" if slot.failures else "started"
        self._report(slot.child.name, f"{verb} (process {slot.running.pid})")

    def _record_exit(self, slot: _Slot, description: str) -> None:
        ran_s = self._clock() - slot.started_at_s
        slot.failures = 1 if ran_s >= self._backoff.reset_after_s else slot.failures + 1
        delay_s = self._backoff.delay_s(slot.failures)
        slot.running = None
        slot.restart_at_s = self._clock() + delay_s
        last_line = last_lines(slot.child.log_file, count=1)
        detail = f": {last_line}" if last_line else ""
        self._report(slot.child.name, f"{description}{detail}; restarting in {delay_s:g} s")
