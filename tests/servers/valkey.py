"""A real Valkey or Redis server that tests can kill and restart on its data."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.valkey import valkey_binary
from servers.waiting import wait_until

_START_LIMIT_S = 15.0


def redis_binary() -> Path | None:
    """Return the path of an installed redis-server, or None."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """A server on a loopback port that stays the same across `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path,
        password: str | None,
        appendonly: bool,
        appendfsync: str,
    ) -> None:
        """Configure the server; `start` runs it."""
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
        """The process id of the running server."""
        with self.client() as client:
            return int(client.info("server")["process_id"])

    @property
    def running(self) -> bool:
        """Whether the server process is running."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> "Redis":
        """Return a client that decodes responses to text; the caller closes it."""
        return Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        """Start on the same port and data; return when the server answers."""
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
        """Send SIGTERM: the server flushes its append-only file and exits."""
        self._terminate(kill=False)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._terminate(kill=True)

    @contextmanager
    def held_by_a_script(self) -> Iterator[None]:
        """Let a script run without end for the length of the block: the server answers BUSY."""

        def hold() -> None:
            with self.client() as client, suppress(ResponseError):
                client.eval("while true do end", 0)

        with self.client() as client:
            client.config_set("lua-time-limit", 100)
            holder = threading.Thread(target=hold)
            holder.start()
            try:
                wait_until(lambda: _is_busy(client), what="the server is busy")
                yield
            finally:
                client.script_kill()
                holder.join()
                client.config_set("lua-time-limit", 5000)

    def _terminate(self, *, kill: bool) -> None:
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
                    answering = client.config_get("dir")["dir"]
                except (RedisConnectionError, RedisTimeoutError):
                    if process.poll() is not None or time.monotonic() > deadline:
                        log = (self.directory / "server.log").read_text(errors="replace")
                        raise RuntimeError(f"{self.binary} did not start:\n{log}") from None
                    time.sleep(0.02)
                else:
                    if Path(answering) != self.directory.resolve():
                        raise RuntimeError(f"the server of {answering} has port {self.port}")
                    return


def _is_busy(client: "Redis") -> bool:
    try:
        client.ping()
    except ResponseError as error:
        return str(error).startswith("BUSY ")
    return False


@contextmanager
def start_valkey(
    directory: Path,
    *,
    binary: Path | None = None,
    password: str | None = None,
    appendonly: bool = True,
    appendfsync: str = "everysec",
) -> Iterator[RedisServer]:
    """Run a server in `directory` for the length of the block; by default Valkey.

    The server also exits with the thread that started it, so no test run leaks one.
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
