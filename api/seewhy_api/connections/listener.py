"""The listening socket: accepts connections within the limit and watches over them."""

import threading
from typing import Any

from waitress.server import TcpWSGIServer

from seewhy_api.connections.connection import Connection
from seewhy_api.connections.limits import ServerLimits
from seewhy_api.connections.request_parser import BodyBudget

ACCEPTS_PER_TURN = 64


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """A listening socket of the process, and its connections."""

    channel_class = Connection

    def __init__(
        self, *arguments: Any, limits: ServerLimits, max_connections: int, **named: Any
    ) -> None:
        """Accept at most `max_connections`, which may be fewer than `limits` allow."""
        self.limits = limits
        self._max_connections = max_connections
        self.budget = BodyBudget(limits.max_buffered_bytes)
        self.stopping = False
        self._room_lock = threading.Lock()
        super().__init__(*arguments, **named)

    def handle_accept(self) -> None:
        """Accept connections. At the limit, close those that have not sent a request header.

        Every turn of the event loop visits all connections, so a turn accepts more than one.
        """
        for _ in range(ACCEPTS_PER_TURN):
            if len(self.active_channels) >= self._max_connections:
                self._close_longest_idle()
            connections = len(self.active_channels)
            super().handle_accept()
            if not connections < len(self.active_channels) <= self._max_connections:
                return

    def add_task(self, task: Connection) -> None:
        """Serve the next request of a connection as soon as the client has read what is before."""
        if not task.defer():
            super().add_task(task)

    def maintenance(self, now: float) -> None:
        """Check every connection.

        waitress closes one when its socket takes data, which never happens without a reader.
        """
        for connection in list(self.active_channels.values()):
            connection.check()
            if connection.will_close:
                connection.handle_close()

    def make_room(self, writer: Connection) -> None:
        """If unread responses exceed the limit, close the connections that stall for longest.

        `writer` has just buffered a response, and its client had no time to read it.
        """
        with self._room_lock:
            spooled_bytes = {
                connection: size
                for connection in list(self.active_channels.values())
                if not connection.will_close and (size := connection.spooled_bytes)
            }
            excess_bytes = sum(spooled_bytes.values()) - self.limits.max_buffered_bytes
            spooled_bytes.pop(writer, None)
            for connection in sorted(spooled_bytes, key=lambda each: each.last_activity):
                if excess_bytes <= 0:
                    break
                connection.will_close = True
                excess_bytes -= spooled_bytes[connection]
                self.next_channel_cleanup = 0
        self.pull_trigger()

    def close_connections(self) -> None:
        """Close all connections, whatever is left to send."""
        for connection in list(self.active_channels.values()):
            connection.handle_close()

    def stop_accepting(self) -> None:
        """Leave new connections to the other processes; close each connection after its request."""
        self.stopping = True
        self.accepting = False

    def is_busy(self) -> bool:
        """Whether a request is being received or served, or a response is being sent."""
        return any(
            connection.requests or connection.request or connection.total_outbufs_len
            for connection in list(self.active_channels.values())
        )

    def _close_longest_idle(self) -> None:
        idle = [
            (since_s, fileno)
            for fileno, connection in self.active_channels.items()
            if (since_s := connection.idle_since_s) is not None
        ]
        if idle:
            self.active_channels[min(idle)[1]].handle_close()
