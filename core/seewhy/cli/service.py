"""The service that a command talks to: a given one, the one that is there, or one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.cli.console import notes
from seewhy.client import Client, ClientError
from seewhy.embedded.temporary_service import embedded_service
from seewhy.settings import load


@contextmanager
def service(url: str | None, *, default_url: str, model: str | None) -> Iterator[str]:
    """Yield the URL to use; start a service with `model` when none is given nor found."""
    if url is not None:
        yield url
    elif _answers(default_url):
        yield default_url
    else:
        notes().print(f"nothing answers at {default_url}: starting a service for this command")
        settings = load() if model is None else load(default_model=model)
        with embedded_service(settings) as own:
            yield own


def _answers(url: str) -> bool:
    try:
        with Client(url, timeout_s=2.0, attempts=1) as client:
            client.models()
    except ClientError:
        return False
    return True
