"""Host names into addresses, within a time that the resolver itself does not promise."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Resolve = Callable[[str, int, float], list[str]]
"""(host, port, limit in s) -> the host's addresses, each once and the preferred first. None when it
has none. Raises `TimeoutError`."""


def resolve(host: str, port: int, limit_s: float) -> list[str]:
    """Ask the system's resolver.

    It cannot be told how long it may take, and who serves the zone can make it wait: so a thread
    asks, which is left behind when the time is over and ends when the resolver gives up.
    """
    found: list[str] = []
    asking = threading.Thread(target=_look_up, args=(host, port, found), daemon=True)
    asking.start()
    asking.join(limit_s)
    if asking.is_alive():
        raise TimeoutError
    return found


def _look_up(host: str, port: int, found: list[str]) -> None:
    with suppress(OSError, UnicodeError):  # no such name, or one that cannot be a name
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found += dict.fromkeys(str(answer[4][0]) for answer in answers)
