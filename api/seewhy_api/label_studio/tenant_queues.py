"""Queues of tenants, served in turn: what one tenant waits for does not delay the others."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Queue:
    first: deque[str] = field(default_factory=deque)
    later: deque[str] = field(default_factory=deque)
    taken: int = 0
    """How many of its items are being worked on."""

    @property
    def waiting(self) -> int:
        return len(self.first) + len(self.later)


class TenantQueues:
    """The items that wait, by tenant. Thread-safe; no method blocks."""

    def __init__(self, *, at_once: int) -> None:
        """Hand out at most `at_once` items of a tenant at the same time."""
        self._at_once = at_once
        self._lock = threading.Lock()
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        """The tenant that was served longest ago is first."""

    def put(self, tenant: str, item: str, *, is_later: bool = False) -> None:
        """Add an item. Those that are `is_later` follow all others of the tenant."""
        with self._lock:
            queue = self._queues.setdefault(tenant, _Queue())
            (queue.later if is_later else queue.first).append(item)

    def waiting(self, tenant: str) -> int:
        """Return how many items of a tenant wait."""
        with self._lock:
            queue = self._queues.get(tenant)
            return queue.waiting if queue else 0

    def take(self) -> tuple[str, str] | None:
        """Take an item of the tenant with the fewest items taken, and in turn; None without one.

        Returns the tenant and the item. `done` must follow.
        """
        with self._lock:
            ready = [
                (tenant, queue)
                for tenant, queue in self._queues.items()
                if queue.waiting and queue.taken < self._at_once
            ]
            if not ready:
                return None
            tenant, queue = min(ready, key=lambda each: each[1].taken)
            queue.taken += 1
            self._queues.move_to_end(tenant)
            return tenant, (queue.first or queue.later).popleft()

    def done(self, tenant: str) -> None:
        """Say that work on an item of a tenant has ended."""
        with self._lock:
            queue = self._queues[tenant]
            queue.taken -= 1
            self._queues.move_to_end(tenant)  # after those who came meanwhile
            if not queue.taken and not queue.waiting:
                del self._queues[tenant]
