"""Many event stream clients on one thread, over plain sockets."""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class EventStreamClients:
    """Opens streams of one server and reads them all; `received` holds the bytes of each."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._selector = selectors.DefaultSelector()
        self._stack = ExitStack()
        self.received: dict[socket.socket, bytes] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self._selector)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, path: str) -> socket.socket:
        """Request a stream without reading it."""
        client = self._stack.enter_context(socket.create_connection(self._address, timeout=30))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.setblocking(False)
        self.received[client] = b""
        self._selector.register(client, selectors.EVENT_READ)
        return client

    def drop(self, client: socket.socket) -> None:
        """Close a client's connection."""
        self._selector.unregister(client)
        del self.received[client]
        client.close()

    def read_until(
        self, condition: Callable[[bytes], bool], *, what: str, limit_s: float = 60
    ) -> None:
        """Read until the bytes of every client satisfy a condition."""
        deadline = time.monotonic() + limit_s
        while unsatisfied := [c for c, text in self.received.items() if not condition(text)]:
            assert time.monotonic() < deadline, f"{what}: {len(unsatisfied)} clients still wait"
            for key, _ in self._selector.select(timeout=0.1):
                client = key.fileobj
                assert isinstance(client, socket.socket)
                text = client.recv(65_536)
                self.received[client] += text
                if not text:
                    self._selector.unregister(client)
