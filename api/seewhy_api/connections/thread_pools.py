"""The threads that serve complete requests."""

from concurrent.futures import ThreadPoolExecutor

from seewhy_api.connections.connection import Connection
from seewhy_api.connections.limits import ServerLimits

EXTRA_STREAM_THREADS = 4
"""Threads that refuse event streams beyond the limit."""
PROBE_THREADS = 2


class ThreadPools:
    """One pool each for requests, event streams and health checks, so that none blocks another."""

    def __init__(self, limits: ServerLimits) -> None:
        """Start threads on demand, up to the limits."""
        self._requests = ThreadPoolExecutor(limits.request_threads, "request")
        self._streams = ThreadPoolExecutor(limits.stream_threads + EXTRA_STREAM_THREADS, "stream")
        self._probes = ThreadPoolExecutor(PROBE_THREADS, "probe")

    def add_task(self, connection: Connection) -> None:
        """Serve the oldest request of a connection. waitress calls this on its event loop."""
        request = connection.requests[0]
        if request.error is not None or request.path == "/healthz":
            pool = self._probes
        elif request.path.endswith("/events"):
            pool = self._streams
        else:
            pool = self._requests
        pool.submit(connection.service)

    def shutdown(self) -> None:
        """Start no more requests. Does not wait for those that run."""
        for pool in (self._requests, self._streams, self._probes):
            pool.shutdown(wait=False, cancel_futures=True)
