"""The gunicorn worker that serves with waitress.

waitress receives requests on one event loop and gives them to threads when they are complete, so
a slow client occupies a socket and no thread. gunicorn's own workers read requests in the threads
that serve them.
"""

import os
import time
from typing import Any, ClassVar

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments

from seewhy_api.connections.limits import ServerLimits, allow_connections
from seewhy_api.connections.listener import Listener
from seewhy_api.connections.thread_pools import ThreadPools

GRACEFUL_TIMEOUT_S = 6
LINGER_S = 1.0
"""How long a stopping process keeps idle connections, for a request that is on its way."""
POLL_S = 1.0


class WaitressWorker(Worker):  # type: ignore[misc]
    """A serving process: an event loop, and threads for complete requests."""

    limits: ClassVar[ServerLimits]
    """Set by the subclass that gunicorn starts."""
    _listeners: tuple[Listener, ...] = ()

    def run(self) -> None:
        """Serve until gunicorn says to stop, then finish the requests that have begun."""
        channels: dict[int, Any] = {}
        listeners = self._listen(channels)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            wasyncore.poll2(POLL_S, channels)
        self._finish(listeners, channels)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop on SIGTERM, at once even if no client sends anything."""
        super().handle_exit(sig, frame)
        for listener in self._listeners:
            listener.pull_trigger()

    def _listen(self, channels: dict[int, Any]) -> tuple[Listener, ...]:
        limits = self.limits
        max_connections = allow_connections(limits.max_connections)
        adjustments = Adjustments(
            sockets=[listening.sock for listening in self.sockets],
            # The listener makes room at its limit. waitress stops accepting one above it, and
            # counts the listeners and their wakeup pipes as connections.
            connection_limit=max_connections + 1 + 2 * len(self.sockets),
            max_request_header_size=limits.max_header_bytes,
            max_request_body_size=limits.max_body_bytes + 1,  # waitress refuses from here on
            inbuf_overflow=limits.spool_bytes,
            outbuf_overflow=limits.spool_bytes,
            outbuf_high_watermark=limits.response_buffer_bytes,
            cleanup_interval=1,
            log_socket_errors=False,
            ident=None,
        )
        pools = ThreadPools(limits)
        self._listeners = tuple(
            Listener(
                self.wsgi,
                channels,
                _sock=listening.sock,
                dispatcher=pools,
                adj=adjustments,
                sockinfo=(listening.sock.family, listening.sock.type, 0, None),
                bind_socket=False,
                limits=limits,
                max_connections=max_connections,
            )
            for listening in self.sockets
        )
        return self._listeners

    def _finish(self, listeners: tuple[Listener, ...], channels: dict[int, Any]) -> None:
        for listener in listeners:
            listener.stop_accepting()
        started_s = time.monotonic()
        while (elapsed_s := time.monotonic() - started_s) < GRACEFUL_TIMEOUT_S:
            busy = any(listener.is_busy() for listener in listeners)
            lingers = elapsed_s < LINGER_S and any(each.active_channels for each in listeners)
            if not busy and not lingers:
                break
            self.notify()
            wasyncore.poll2(0.05, channels)
        for listener in listeners:
            listener.task_dispatcher.shutdown()
            listener.close_connections()  # a thread that waits for a client would keep the process
