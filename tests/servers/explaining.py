"""A complete service with a real model, as one that browsers and clients visit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import httpx2
import psutil

from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.client import Client, RequestOptions
from seewhy.embedded.tcp_ports import free_port
from seewhy.storage.obstore_adapter import open_store
from servers.process_cluster import Process, ProcessCluster, running_api, start_cluster
from servers.valkey import start_valkey

UNSERVED_MODEL = "vgg16"
"""A model that no worker serves: a test claims its jobs and ends them as it likes."""


class ExplainingService:
    """An API over HTTP, a ledger, a store, and a worker with EfficientNet-Lite0."""

    def __init__(self, cluster: ProcessCluster, worker: Process) -> None:
        """Use the processes of `cluster`, of which one is the worker."""
        self.settings = cluster.settings
        self.url = cluster.url
        self._worker = worker

    def submit(self, photo: Path, **request: Unpack[RequestOptions]) -> str:
        """Submit a photo; `request` has the fields of an explanation request. Return the id."""
        with Client(self.url) as client:
            return client.submit(photo, **request).id

    def explain(self, photo: Path, **request: Unpack[RequestOptions]) -> str:
        """Submit a photo, wait until it is explained, and return the id."""
        with Client(self.url) as client:
            return client.explain(photo, **request).id

    @contextmanager
    def paused_worker(self) -> Iterator[None]:
        """Stop the worker for the length of the block, without an end that it would notice."""
        processes = [psutil.Process(self._worker.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def cancel(self, job_id: str) -> None:
        """Cancel an explanation, unless it has ended."""
        httpx2.post(f"{self.url}/v1/explanations/{job_id}/cancel")

    def get(self, path: str) -> httpx2.Response:
        """Get a path of the API."""
        return httpx2.get(f"{self.url}{path}", timeout=60)


@contextmanager
def explaining_service(directory: Path, **changes: Any) -> Iterator[ExplainingService]:
    """Run a service in `directory` until the block ends; `changes` are settings."""
    with (
        start_valkey(directory / "valkey") as valkey,
        running_api(valkey, directory, max_batch=1, auth="none", **changes) as cluster,
    ):
        yield ExplainingService(cluster, cluster.start_worker())


@dataclass(frozen=True, slots=True)
class GuardedApi:
    """An API that requires keys, and a key of a tenant that has no explanations."""

    url: str
    key: str


@contextmanager
def guarded_api(service: ExplainingService, directory: Path) -> Iterator[GuardedApi]:
    """Run another API on the ledger and the store of a service, in `directory`."""
    settings = service.settings.model_copy(update={"auth": "keys", "api_port": free_port()})
    scopes = frozenset({Scope.SUBMIT, Scope.READ})
    key, _ = KeyStore(open_store(settings)).create(tenant="new", scopes=scopes)
    with start_cluster(settings, directory) as cluster:
        cluster.start_api()
        yield GuardedApi(cluster.url, key.text)
