"""A service of one's own for as long as a command runs."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.embedded.environment import as_environment, passed_on
from seewhy.embedded.errors import StartFailed
from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.up import api_url, await_ready
from seewhy.settings import PREFIX, Settings

_STOP_LIMIT_S = 12.0
# Of the user's settings these alone hold for a service that is gone in a minute: it must not
# share the ledger of a real one, whose workers could not read its pictures.
_KEPT = {
    "default_model",
    "worker_models",
    "models_file",
    "model_dir",
    "max_batch",
    "worker_concurrency",
}


@contextmanager
def embedded_service(settings: Settings) -> Iterator[str]:
    """Run `seewhy up` on a free port and temporary data; yield its URL.

    What it has to say goes to stderr. Raises `StartFailed`. Call from the main thread.
    """
    own = settings.model_copy(update={"api_host": "127.0.0.1", "api_port": free_port()})
    kept = as_environment(settings).items()
    names = {PREFIX + name.upper() for name in _KEPT}
    environment = {name: value for name, value in kept if name in names}
    with tempfile.TemporaryDirectory(prefix="seewhy-") as data:
        arguments = ("--host", own.api_host, "--port", str(own.api_port), "--data", data)
        command = (sys.executable, "-P", "-m", "seewhy.cli", "up", *arguments)
        process = subprocess.Popen(  # noqa: S603
            guarded(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=passed_on(environment, without=PREFIX),
            start_new_session=True,
        )
        try:
            await_ready(own, tend=lambda: _refuse_end(process))
            yield api_url(own)
        finally:
            _stop(process)


def _refuse_end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise StartFailed("the embedded service did not start, for the reason above")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()  # its children are guarded and go with it
        process.wait()
