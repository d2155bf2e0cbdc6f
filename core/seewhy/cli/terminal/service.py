"""The service that a command uses: a named one, the local one, or a temporary one."""

from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.cli.terminal.arguments import DEFAULT_URL
from seewhy.cli.terminal.console import error_console
from seewhy.client import Client, ClientError, RequestRejected
from seewhy.embedded.temporary_service import temporary_service
from seewhy.settings import load


@contextmanager
def connect_or_start(url: str | None, *, key: str | None, model: str | None) -> Iterator[Client]:
    """Yield a client of the service to use, with `key` or the key in the settings.

    Without `url` it is the service at `DEFAULT_URL`; if nothing answers there, a temporary
    service that has `model` resident.
    """
    settings = load() if model is None else load(default_model=model)
    key = settings.key_for_service(key)
    if url is not None or _answers(DEFAULT_URL, key=key):
        with Client(url or DEFAULT_URL, key=key) as client:
            yield client
    else:
        error_console().print(f"No service at {DEFAULT_URL}: starting a temporary one")
        with temporary_service(settings) as temporary_url, Client(temporary_url) as client:
            yield client


def _answers(url: str, *, key: str | None) -> bool:
    try:
        with Client(url, key=key, timeout_s=2.0, attempts=1) as client:
            client.models()
    except RequestRejected as error:
        return error.problem == "unauthenticated"  # it wants a key; the command reports that
    except ClientError:
        return False
    return True
