"""Free TCP ports on this machine."""

import random
import socket

# Below the ephemeral ranges of Linux (32768 and up) and macOS (49152 and up): within them, a
# client that connects to a stopped server's port may be connected to itself.
_FIRST, _LAST = 20_000, 32_000

# Processes whose generators have the same seed, such as parallel tests, must not choose the same.
_random = random.SystemRandom()


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether a server can listen on `port` of `host` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(*, host: str = "127.0.0.1") -> int:
    """Return a random port that nothing listens on. Raises `OSError` when there is none."""
    for port in _random.sample(range(_FIRST, _LAST), 200):
        if is_free(port, host=host):
            return port
    raise OSError(f"no free port on {host} between {_FIRST} and {_LAST}")
