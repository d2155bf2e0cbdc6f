"""Serves the metrics of a process at `/metrics`, on a port of its own."""

import logging
import threading
from collections.abc import Sequence
from errno import EADDRINUSE
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

PORTS = 16
"""How many ports are tried: the processes of one kind on one machine take one each."""
STOP_TIMEOUT_S = 5

_log = logging.getLogger(__name__)


class MetricsServer:
    """Serves the metrics of this process, and those of collectors, between `start` and `stop`.

    Listens on the first free port from `first_port` on. Without one, or when no port can be used,
    serves nothing: work without metrics is better than none.
    """

    def __init__(
        self, *, host: str, first_port: int | None, collectors: Sequence[Collector] = ()
    ) -> None:
        """Prepare without listening."""
        self._host = host
        self._first_port = first_port
        self._collectors = tuple(collectors)
        self._started: tuple[WSGIServer, threading.Thread] | None = None

    @property
    def port(self) -> int | None:
        """The port that it listens on, if it does."""
        return self._started[0].server_port if self._started else None

    def start(self) -> None:
        """Listen, in a thread. Call after a fork."""
        if self._first_port is None:
            return
        registry = CollectorRegistry()
        for collector in (REGISTRY, *self._collectors):
            registry.register(collector)
        try:
            self._started = self._listen(self._first_port, registry)
        except OSError as error:
            _log.warning("Cannot serve metrics on %s:%d: %s", self._host, self._first_port, error)
        else:
            _log.info("Serving metrics on http://%s:%d/metrics", self._host, self.port)

    def stop(self) -> None:
        """Stop listening."""
        if self._started is None:
            return
        server, thread = self._started
        self._started = None
        server.shutdown()
        server.server_close()
        thread.join(timeout=STOP_TIMEOUT_S)

    def _listen(
        self, first_port: int, registry: CollectorRegistry
    ) -> tuple[WSGIServer, threading.Thread]:
        for port in range(first_port, first_port + PORTS - 1):
            try:
                return start_http_server(port, addr=self._host, registry=registry)
            except OSError as error:
                if error.errno != EADDRINUSE:
                    raise
        return start_http_server(first_port + PORTS - 1, addr=self._host, registry=registry)
