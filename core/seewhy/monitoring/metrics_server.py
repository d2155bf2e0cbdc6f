"""Serves the metrics of a process at `/metrics`, on a port of its own."""

import logging
import socket
import sys
import threading
from collections.abc import Sequence
from errno import EADDRINUSE
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

PORTS = 16
"""How many ports are tried: the processes of one kind on one machine take one each."""
STOP_TIMEOUT_S = 5
MAX_CONNECTIONS = 8
"""Open at once; each holds a thread of the process. Further ones are closed."""
SILENCE_S = 5.0
"""After which a connection that sends or reads nothing is closed."""

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
                return _serve(self._host, port, registry)
            except OSError as error:
                if error.errno != EADDRINUSE:
                    raise
        return _serve(self._host, first_port + PORTS - 1, registry)


class _Handler(WSGIRequestHandler):
    timeout = SILENCE_S

    def log_message(self, *_: Any) -> None:
        """Write no access log."""


class _Server(ThreadingMixIn, WSGIServer):
    """Like the server of `prometheus_client`, with a limit on what its clients hold."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no further thread can be started
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("A client of the metrics got no answer: %s", sys.exception())


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


def _serve(
    host: str, port: int, registry: CollectorRegistry
) -> tuple[WSGIServer, threading.Thread]:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    server = make_server(
        host,
        port,
        make_wsgi_app(registry),
        server_class=_ServerOnIPv6 if family == socket.AF_INET6 else _Server,
        handler_class=_Handler,
    )
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return server, thread
