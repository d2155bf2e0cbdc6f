"""The service that a command uses: a named one, the local one, or a temporary one."""

from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.cli.terminal.arguments import DEFAULT_URL
from seewhy.cli.terminal.console import error_console
from seewhy.client import Client, ClientError
from seewhy.embedded.temporary_service import temporary_service
from seewhy.settings import load


@contextmanager
def find_or_start_service(url: str | None, *, model: str | None) -> Iterator[str]:
    """Yield the URL of the service to use.

    Without `url` it is the service at `DEFAULT_URL`; if nothing answers there, a temporary
    service that has `model` resident.
    """
    if url is not None:
        yield url
    elif _answers(DEFAULT_URL):
        yield DEFAULT_URL
    else:
        error_console().print(f"No service at {DEFAULT_URL}: starting a temporary one")
        settings = load() if model is None else load(default_model=model)
        with temporary_service(settings) as temporary_url:
            yield temporary_url


def _answers(url: str) -> bool:
    try:
        with Client(url, timeout_s=2.0, attempts=1) as client:
            client.models()
    except ClientError:
        return False
    return True
