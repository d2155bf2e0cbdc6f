"""`seewhy up`: Valkey, workers, the API and a webhook dispatcher as children of one process."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from seewhy.embedded import valkey
from seewhy.embedded.child import Child
from seewhy.embedded.commands import Commands
from seewhy.embedded.data_directory import DataDirectory
from seewhy.embedded.environment import as_environment
from seewhy.embedded.errors import ProcessError
from seewhy.embedded.readiness import wait_until_ready
from seewhy.embedded.supervisor import Supervisor
from seewhy.embedded.tcp_ports import free_port, is_free
from seewhy.embedded.worker_pool import deal_devices
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import PREFIX, Settings

_POLL_INTERVAL_S = 0.1
_VALKEY_TIMEOUT_S = 60.0  # it reads an append-only file of gigabytes before it answers
_MAX_FAILURES_BEFORE_READY = 3
# In the order of stopping; together less than the ten seconds within which `up` stops.
_DISPATCHER_GRACE_S, _API_GRACE_S, _WORKER_GRACE_S, _VALKEY_GRACE_S = 2.0, 3.0, 3.4, 1.5

_SignalHandler = Callable[[int, FrameType | None], object] | signal.Handlers


def complete_settings(settings: Settings, directory: DataDirectory) -> Settings:
    """Fill in the settings that a service on one machine needs and the user left unset.

    Without a configured object store, objects are kept in `directory`. Logs are text. Port 0
    becomes a free port. Raises `ProcessError` when the port is taken.
    """
    changes: dict[str, object] = {}
    if "log_format" not in settings.model_fields_set:
        changes["log_format"] = "text"  # people read the files in `directory`, and what is quoted
    if not settings.model_fields_set & {"store_url", "s3_endpoint"}:
        changes["store_url"] = directory.store_url
    if settings.api_port == 0:
        changes["api_port"] = free_port(host=settings.api_host)
    elif not is_free(settings.api_port, host=settings.api_host):
        raise ProcessError(
            f"port {settings.api_port} of {settings.api_host} is in use; "
            "choose another with --port (0 picks a free port)"
        )
    return settings.model_copy(update=changes)


def up(
    settings: Settings,
    *,
    directory: DataDirectory,
    report: Callable[[str, str], None],
    ready: Callable[[str], None],
    workers: int = 1,
    commands: Commands | None = None,
) -> None:
    """Run the service until SIGINT or SIGTERM, then stop every child.

    `settings` come from `complete_settings`; a Redis URL in them replaces the embedded Valkey.
    `report(name, line)` receives one line per event of a child. `ready(url)` is called once, when
    all `workers` have loaded every resident model.
    Call from the main thread. Raises `ProcessError`.
    """
    commands = commands or Commands.installed()
    supervisor = Supervisor(report=report)
    with _signals_as_interrupts():
        try:
            pool = deal_devices(settings, workers=workers)
            _start(supervisor, settings, pool=pool, directory=directory, commands=commands)
            ready(
                wait_until_ready(
                    settings,
                    poll=lambda: _poll_start(supervisor),
                    report=report,
                    workers=workers,
                )
            )
            while True:
                supervisor.poll()
                time.sleep(_POLL_INTERVAL_S)
        except KeyboardInterrupt:
            report("up", "stopping")
        finally:
            with _signals_ignored():
                supervisor.stop()


def _start(
    supervisor: Supervisor,
    settings: Settings,
    *,
    pool: Sequence[Settings],
    directory: DataDirectory,
    commands: Commands,
) -> None:
    changes: dict[str, str] = {}
    if "redis_url" not in settings.model_fields_set:
        embedded = valkey.prepare(directory.valkey, max_bytes=settings.embedded_redis_bytes)
        supervisor.start(
            Child(
                name="valkey",
                command=embedded.command,
                log_file=directory.logs / "valkey.log",
                grace_s=_VALKEY_GRACE_S,
            )
        )
        changes["redis_url"] = embedded.url
        valkey.wait_until_ready(
            embedded.url, timeout_s=_VALKEY_TIMEOUT_S, poll=lambda: _poll_start(supervisor)
        )
        # Workers of an earlier run that was killed have not unregistered.
        open_ledger(settings.model_copy(update=changes)).workers.unregister_all()

    def start(name: str, command: tuple[str, ...], own: Settings, grace_s: float) -> None:
        supervisor.start(
            Child(
                name=name,
                group=name.partition("-")[0],
                command=command,
                log_file=directory.logs / f"{name}.log",
                environment=as_environment(own.model_copy(update=changes)),
                dropped_prefix=PREFIX,
                grace_s=grace_s,
            )
        )

    for number, own in enumerate(pool, start=1):
        name = f"worker-{number}" if len(pool) > 1 else "worker"
        start(name, commands.worker, own, _WORKER_GRACE_S)
    start("api", commands.api, settings, _API_GRACE_S)
    if settings.needs_dispatcher:
        start("dispatcher", commands.dispatcher, settings, _DISPATCHER_GRACE_S)


def _poll_start(supervisor: Supervisor) -> None:
    supervisor.poll()
    supervisor.raise_if_crash_looping(_MAX_FAILURES_BEFORE_READY)


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for SIGTERM and SIGHUP, as for SIGINT."""
    with _signal_handlers(signal.default_int_handler):
        yield


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM while the children are stopped in order."""
    with _signal_handlers(signal.SIG_IGN):
        yield


@contextmanager
def _signal_handlers(handler: _SignalHandler) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old_handler in previous.items():
            signal.signal(number, old_handler)
