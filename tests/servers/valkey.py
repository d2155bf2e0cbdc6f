"""A real Valkey (or Redis) server for tests: started, killed, and started again on its data."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.valkey import valkey_binary

_START_LIMIT_S = 15.0


def redis_binary() -> Path | None:
    """Debian's redis-server, where it is installed."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """One server on a loopback port that it keeps through `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path,
        password: str | None,
        appendonly: bool,
        appendfsync: str,
    ) -> None:
        self.directory = directory
        self.binary = binary
        self.password = password
        self.port = free_port()
        self._options = {
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": appendfsync,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://[:PASSWORD@]127.0.0.1:PORT/0`."""
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The running server's process id."""
        with self.client() as client:
            return int(client.info("server")["process_id"])

    @property
    def running(self) -> bool:
        """Whether the server has been started and not ended since."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> "Redis":
        """A new client that answers text; the caller closes it."""
        return Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        """Start on the same port and data, and return when it answers."""
        if self.running:
            raise RuntimeError("the server is running")
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [str(self.binary), *self._arguments()]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(guarded(command), stdout=log, stderr=log)
        try:
            self._await_answer(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, which writes what is not yet on disk."""
        self._end(kill=False)

    def kill(self) -> None:
        """SIGKILL: the machine lost power, as far as the server knows."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=10)
        self._process = None

    def _arguments(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "maxmemory-policy": "noeviction",
            **self._options,
        }
        if self.password:
            options["requirepass"] = self.password
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while True:
                try:
                    client.ping()
                except (RedisConnectionError, RedisTimeoutError):
                    if process.poll() is not None or time.monotonic() > deadline:
                        log = (self.directory / "server.log").read_text(errors="replace")
                        raise RuntimeError(f"{self.binary} did not start:\n{log}") from None
                    time.sleep(0.02)
                else:
                    return


@contextmanager
def start_valkey(
    directory: Path,
    *,
    binary: Path | None = None,
    password: str | None = None,
    appendonly: bool = True,
    appendfsync: str = "everysec",
) -> Iterator[RedisServer]:
    """Run a server in `directory` for the length of the block, `binary` unset meaning Valkey.

    The server also ends when the thread that started it does, so no test run leaves one behind.
    """
    server = RedisServer(
        directory,
        binary=binary or valkey_binary(),
        password=password,
        appendonly=appendonly,
        appendfsync=appendfsync,
    )
    server.start()
    try:
        yield server
    finally:
        server.kill()
