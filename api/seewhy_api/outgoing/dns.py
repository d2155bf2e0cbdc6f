"""Name resolution with a timeout, which the system's resolver does not offer."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Resolve = Callable[[str, int, float], list[str]]
"""(host, port, limit in s) -> the host's distinct addresses, preferred first; empty if it has none.
Raises `TimeoutError`."""


def resolve(host: str, port: int, limit_s: float) -> list[str]:
    """Resolve a host with the system's resolver.

    The lookup runs in a daemon thread, because the resolver has no timeout and a slow name server
    can block it. After `limit_s` the thread is abandoned and ends when the resolver gives up.
    Raises `TimeoutError` after `limit_s`.
    """
    addresses: list[str] = []
    lookup = threading.Thread(target=_look_up, args=(host, port, addresses), daemon=True)
    lookup.start()
    lookup.join(limit_s)
    if lookup.is_alive():
        raise TimeoutError
    return addresses


def _look_up(host: str, port: int, addresses: list[str]) -> None:
    with suppress(OSError, UnicodeError):  # an unknown or an invalid name
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses += dict.fromkeys(str(result[4][0]) for result in results)
