"""A complete service with a real model, as one that browsers and clients visit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack

import httpx2

from seewhy.client import Client, RequestOptions
from seewhy.settings import Settings
from servers.process_cluster import running_api
from servers.valkey import start_valkey

UNSERVED_MODEL = "vgg16"
"""A model that no worker serves: a test claims its jobs and ends them as it likes."""


class ExplainingService:
    """An API over HTTP, a ledger, a store, and a worker with EfficientNet-Lite0."""

    def __init__(self, settings: Settings, url: str) -> None:
        """Talk to the API at `url`, which runs with `settings`."""
        self.settings = settings
        self.url = url

    def submit(self, photo: Path, **request: Unpack[RequestOptions]) -> str:
        """Submit a photo; `request` has the fields of an explanation request. Return the id."""
        with Client(self.url) as client:
            return client.submit(photo, **request).id

    def explain(self, photo: Path, **request: Unpack[RequestOptions]) -> str:
        """Submit a photo, wait until it is explained, and return the id."""
        with Client(self.url) as client:
            return client.explain(photo, **request).id

    def get(self, path: str) -> httpx2.Response:
        """Get a path of the API."""
        return httpx2.get(f"{self.url}{path}", timeout=60)


@contextmanager
def explaining_service(directory: Path, **changes: Any) -> Iterator[ExplainingService]:
    """Run a service in `directory` until the block ends; `changes` are settings."""
    with (
        start_valkey(directory / "valkey") as valkey,
        running_api(valkey, directory, max_batch=1, **changes) as cluster,
    ):
        cluster.start_worker()
        yield ExplainingService(cluster.settings, cluster.url)
