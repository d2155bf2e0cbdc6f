"""Keep named children running; stop them in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from seewhy.embedded.child import Child, RunningChild, tail
from seewhy.embedded.errors import StartFailed


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before each restart: doubling, forgotten after a stretch of life."""

    first_s: float = 0.5
    longest_s: float = 30.0
    forgotten_after_s: float = 60.0

    def delay_s(self, deaths: int) -> float:
        """Return the wait after the `deaths`-th death in a row, counted from 1."""
        doublings = min(deaths - 1, 32)
        return min(self.first_s * 2.0**doublings, self.longest_s)


@dataclass
class _Slot:
    """A child's place: filled, or empty until `restart_at_s`."""

    child: Child
    running: RunningChild | None = None
    started_at_s: float = 0.0
    restart_at_s: float = 0.0
    deaths: int = 0


class Supervisor:
    """Children that are restarted when they die. One thread, the main one, makes all calls."""

    def __init__(
        self,
        *,
        report: Callable[[str, str], None],
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        launch: Callable[[Child], RunningChild] = RunningChild,
    ) -> None:
        """`report` takes a child's name and one line about it; `clock` counts seconds."""
        self._report = report
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._launch = launch
        self._posts: list[_Slot] = []

    def start(self, child: Child) -> None:
        """Start a child and keep it running from now on."""
        post = _Slot(child)
        self._posts.append(post)
        self._fill(post)

    def pid(self, name: str) -> int | None:
        """Return the process id of a child, or None while it waits for its restart."""
        for post in self._posts:
            if post.child.name == name and post.running is not None:
                return post.running.pid
        return None

    def poll(self) -> None:
        """Notice who has died and start again those whose wait is over. Call it often."""
        for post in self._posts:
            if post.running is not None:
                how = post.running.ended()
                if how is not None:
                    self._record_exit(post, how)
            elif self._clock() >= post.restart_at_s:
                self._fill(post)

    def raise_if_crash_looping(self, at_most: int) -> None:
        """Raise `StartFailed` when a child died `at_most` times in a row, quoting its log."""
        for post in self._posts:
            if post.deaths >= at_most:
                raise StartFailed(
                    f"the {post.child.name} does not start; "
                    f"the last lines of {post.child.log_file}:\n{tail(post.child.log_file)}"
                )

    def stop(self) -> None:
        """Stop the children one by one, the last started first, each within its own grace."""
        while self._posts:
            post = self._posts.pop()
            if post.running is not None:
                how = post.running.stop(grace_s=post.child.grace_s)
                self._report(post.child.name, f"stopped ({how})")

    def _fill(self, post: _Slot) -> None:
        post.running = self._launch(post.child)
        post.started_at_s = self._clock()
        again = "again " if post.deaths else ""
        self._report(post.child.name, f"started {again}(process {post.running.pid})")

    def _record_exit(self, post: _Slot, how: str) -> None:
        lived_s = self._clock() - post.started_at_s
        post.deaths = 1 if lived_s >= self._backoff.forgotten_after_s else post.deaths + 1
        delay_s = self._backoff.delay_s(post.deaths)
        post.running = None
        post.restart_at_s = self._clock() + delay_s
        last = tail(post.child.log_file, lines=1)
        words = f": {last}" if last else ""
        self._report(post.child.name, f"{how}{words}; starting it again in {delay_s:g} s")
