"""Everything on one machine: Valkey, a worker and the API as children of one process."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from seewhy.embedded import programs as modules
from seewhy.embedded import valkey
from seewhy.embedded.child import Child
from seewhy.embedded.data_directory import DataDirectory
from seewhy.embedded.environment import as_environment
from seewhy.embedded.errors import ProcessError, StartFailed
from seewhy.embedded.supervisor import Supervisor
from seewhy.embedded.tcp_ports import free_port, is_free
from seewhy.settings import PREFIX, Settings

_TEND_INTERVAL_S = 0.1
_PROBE_INTERVAL_S = 0.25
_VALKEY_LIMIT_S = 60.0  # an append-only file of gigabytes is read before it answers
_READY_LIMIT_S = 300.0
_DEATHS_BEFORE_READY = 3
# In the order of stopping; together below the ten seconds that a user is asked to wait.
_COURIER_GRACE_S, _API_GRACE_S, _WORKER_GRACE_S, _VALKEY_GRACE_S = 2.0, 3.0, 3.4, 1.5


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The commands of the children that are ours."""

    worker: tuple[str, ...]
    api: tuple[str, ...]
    courier: tuple[str, ...]
    """Started where there are secrets to sign webhooks with."""

    @classmethod
    def installed(cls) -> "Commands":
        """The packages beside this one. Raises `ProcessError` when an extra is missing."""
        return cls(
            worker=modules.module_command("seewhy_worker"),
            api=modules.module_command("seewhy_api"),
            courier=modules.module_command("seewhy_api.webhooks"),
        )


def complete_settings(settings: Settings, directory: DataDirectory) -> Settings:
    """Fill in what a service on one machine needs and its user did not say.

    The object store, unless one is configured, is a folder of `directory`; port 0 becomes a free
    one. Raises `ProcessError` when the port is taken.
    """
    chosen: dict[str, object] = {}
    if not settings.model_fields_set & {"store_url", "s3_endpoint"}:
        chosen["store_url"] = f"file://{directory.objects}"
    if settings.api_port == 0:
        chosen["api_port"] = free_port(host=settings.api_host)
    elif not is_free(settings.api_port, host=settings.api_host):
        raise ProcessError(
            f"port {settings.api_port} of {settings.api_host} is taken; "
            "choose another with --port (0 picks a free one)"
        )
    return settings.model_copy(update=chosen)


def up(
    settings: Settings,
    *,
    directory: DataDirectory,
    report: Callable[[str, str], None],
    ready: Callable[[str], None],
    programs: Commands | None = None,
) -> None:
    """Run the service until SIGINT or SIGTERM, then stop every child.

    `settings` come from `complete`. A Redis that they name is used instead of the embedded one.
    `report` takes a process name and one line about it, `ready` the service's URL, once.
    Call from the main thread. Raises `ProcessError`.
    """
    programs = programs or Commands.installed()
    supervisor = Supervisor(report=report)
    with _interrupted_by_signals():
        try:
            _start(supervisor, settings, directory=directory, programs=programs)
            report("worker", "loads its model; what is submitted meanwhile waits for it")
            url = await_ready(settings, tend=lambda: _tend_start(supervisor))
            ready(url)
            while True:
                supervisor.poll()
                time.sleep(_TEND_INTERVAL_S)
        except KeyboardInterrupt:
            report("up", "stopping")
        finally:
            with _deaf_to_signals():
                supervisor.stop()


def api_url(settings: Settings) -> str:
    """Return the URL at which this machine reaches the API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return f"http://{host}:{settings.api_port}"


def await_ready(settings: Settings, *, tend: Callable[[], None]) -> str:
    """Return the service's URL once `/readyz` answers 200, calling `tend` meanwhile.

    Raises `StartFailed` after five minutes, and whatever `tend` raises.
    """
    url = api_url(settings)
    deadline = time.monotonic() + _READY_LIMIT_S
    with httpx2.Client(timeout=2.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            tend()
            try:
                if client.get(f"{url}/readyz").status_code == httpx2.codes.OK:
                    return url
            except httpx2.TransportError:
                pass  # it does not listen yet
            time.sleep(_PROBE_INTERVAL_S)
    raise StartFailed(f"{url}/readyz was not ready within {_READY_LIMIT_S:g} s")


def _start(
    supervisor: Supervisor, settings: Settings, *, directory: DataDirectory, programs: Commands
) -> None:
    if "redis_url" not in settings.model_fields_set:
        embedded = valkey.prepare(directory.valkey)
        supervisor.start(
            Child(
                name="valkey",
                command=embedded.command,
                log_file=directory.logs / "valkey.log",
                grace_s=_VALKEY_GRACE_S,
            )
        )
        settings = settings.model_copy(update={"redis_url": embedded.url})
        valkey.await_answer(
            embedded.url, limit_s=_VALKEY_LIMIT_S, tend=lambda: _tend_start(supervisor)
        )
    parts = [("worker", programs.worker, _WORKER_GRACE_S), ("api", programs.api, _API_GRACE_S)]
    if settings.webhook_secrets is not None:
        parts.append(("courier", programs.courier, _COURIER_GRACE_S))
    for name, command, grace_s in parts:
        supervisor.start(
            Child(
                name=name,
                command=command,
                log_file=directory.logs / f"{name}.log",
                environment=as_environment(settings),
                without=PREFIX,
                grace_s=grace_s,
            )
        )


def _tend_start(supervisor: Supervisor) -> None:
    supervisor.poll()
    supervisor.raise_if_crash_looping(_DEATHS_BEFORE_READY)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Make SIGTERM and a closed terminal what Ctrl-C is: a `KeyboardInterrupt`."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """Let the children be stopped in order, however often the user presses Ctrl-C."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
