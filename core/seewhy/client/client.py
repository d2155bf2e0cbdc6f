"""The blocking client."""

from typing import Self

import httpx2

from seewhy.client.async_client import ServiceOperations
from seewhy.client.batches import BatchOperations
from seewhy.client.blocking import blocking, blocking_generator, run
from seewhy.client.connection import Connection
from seewhy.client.network import BlockingNetwork, http_options
from seewhy.client.transport import Transport


class Batches:
    """Operations on batches, as `client.batches`. A batch is named by its id or by the `Batch`."""

    def __init__(self, operations: BatchOperations) -> None:
        """Block on these operations."""
        self.operations = operations

    create = blocking(BatchOperations.create)
    create_from_ndjson = blocking(BatchOperations.create_from_ndjson)
    create_from_archive = blocking(BatchOperations.create_from_archive)
    create_from_folder = blocking(BatchOperations.create_from_folder)
    get = blocking(BatchOperations.get)
    wait = blocking(BatchOperations.wait)
    events = blocking_generator(BatchOperations.events)
    results = blocking_generator(BatchOperations.results)
    summaries = blocking_generator(BatchOperations.summaries)
    overlays = blocking(BatchOperations.overlays)
    cancel = blocking(BatchOperations.cancel)
    retry = blocking(BatchOperations.retry)


class Client:
    """A client of the service at `url`. Blocking and thread-safe; close it or use `with`.

    `key` is the API key that the service requires, if it does.
    Requests are repeated up to `attempts` times when the service is unreachable or overloaded.
    `timeout_s` applies to each response. Every method raises `ServiceUnreachable`,
    `UnexpectedResponse` and `RequestRejected`. An explanation is named by its id or by the
    `Explanation` itself.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 6,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Create a client; `transport` replaces the network, for example in tests.

        Nothing is sent yet.
        """
        self._http = httpx2.Client(transport=transport, **http_options(url, key=key))
        network = BlockingNetwork(self._http)
        sender = Transport(network, url=url, timeout_s=timeout_s, attempts=attempts)
        self.operations = ServiceOperations(sender, Connection(self))
        self.batches = Batches(self.operations.batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._http.is_closed

    def close(self) -> None:
        """Close the connections."""
        run(self.operations.network.close())

    upload = blocking(ServiceOperations.upload)
    submit = blocking(ServiceOperations.submit)
    get = blocking(ServiceOperations.get)
    wait = blocking(ServiceOperations.wait)
    events = blocking_generator(ServiceOperations.events)
    explain = blocking(ServiceOperations.explain)
    explain_many = blocking_generator(ServiceOperations.explain_many)
    overlay = blocking(ServiceOperations.overlay)
    heatmap = blocking(ServiceOperations.heatmap)
    contours = blocking(ServiceOperations.contours)
    html = blocking(ServiceOperations.html)
    save = blocking(ServiceOperations.save)
    map = blocking(ServiceOperations.map)
    regions = blocking(ServiceOperations.regions)
    mask = blocking(ServiceOperations.mask)
    cancel = blocking(ServiceOperations.cancel)
    agreement = blocking(ServiceOperations.agreement)
    agreements = blocking(ServiceOperations.agreements)
    summaries = blocking_generator(ServiceOperations.summaries)
    models = blocking(ServiceOperations.models)
    model = blocking(ServiceOperations.model)
