"""Counts invalid credentials by address, so that they cost little and fill no log."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

MAX_FAILURES = 20
WINDOW_S = 60.0
MAX_ADDRESSES = 10_000


class FailedAttempts:
    """The failures of the most recent addresses, in windows of a minute.

    A valid key works from every address: behind a proxy all clients share one, and a secret of 256
    bits cannot be guessed. The limit bounds what invalid keys cost.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without failures. `clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, address: str) -> bool:
        """Count a failure. Return whether it is the first of its window."""
        network = _network(address)
        with self._lock:
            now = self._clock()
            started_s, count = self._windows.pop(network, (now, 0))
            if now - started_s >= WINDOW_S:
                started_s, count = now, 0
            self._windows[network] = (started_s, count + 1)
            if len(self._windows) > MAX_ADDRESSES:
                self._windows.popitem(last=False)
            return count == 0

    def retry_after_s(self, address: str) -> int:
        """Return how long an address must wait that failed too often; 0 for any other."""
        with self._lock:
            started_s, count = self._windows.get(_network(address), (0.0, 0))
            remaining_s = started_s + WINDOW_S - self._clock()
        return math.ceil(remaining_s) if count >= MAX_FAILURES and remaining_s > 0 else 0


def _network(address: str) -> str:
    """Return the address, or of an IPv6 address its network of 64 bits, which is one client's."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
