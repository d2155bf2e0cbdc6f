"""A temporary service on this machine, for as long as a command runs."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.embedded.environment import as_environment, child_environment
from seewhy.embedded.errors import StartFailed
from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.readiness import wait_until_ready
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import PREFIX, Settings

_STOP_TIMEOUT_S = 12.0
# The only user settings that a temporary service takes over. It must not share the ledger of a
# real service, whose workers could not read its images.
_INHERITED_SETTINGS = {
    "default_model",
    "worker_models",
    "models_file",
    "model_dir",
    "bundles",
    "bundle_dir",
    "max_batch",
    "worker_concurrency",
    "worker_device",
    "worker_cores",
    "worker_engine",
}


@contextmanager
def temporary_service(
    settings: Settings, *, module: Sequence[str] = ("seewhy.cli", "up")
) -> Iterator[str]:
    """Run `seewhy up` with a free port and a temporary data directory; yield its URL.

    `module` is a module, and arguments, that takes the same options. Its messages go to stderr.
    Call from the main thread. Raises `StartFailed`.
    """
    settings = settings.model_copy(update={"api_host": "127.0.0.1", "api_port": free_port()})
    names = {PREFIX + name.upper() for name in _INHERITED_SETTINGS}
    environment = {name: value for name, value in as_environment(settings).items() if name in names}
    with tempfile.TemporaryDirectory(prefix="seewhy-") as data:
        address = ("--host", settings.api_host, "--port", str(settings.api_port))
        command = (sys.executable, "-P", "-m", *module, *address, "--data", data)
        process = subprocess.Popen(  # noqa: S603
            guarded(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=child_environment(environment, dropped_prefix=PREFIX),
            start_new_session=True,
        )
        try:
            yield wait_until_ready(settings, poll=lambda: _raise_if_exited(process))
        finally:
            _stop(process)


def _raise_if_exited(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise StartFailed("the temporary service did not start; see the messages above")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()  # its children are guarded and exit with it
        process.wait()
