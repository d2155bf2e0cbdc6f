"""Many clients of event streams on one thread: plain sockets, and what came over each."""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Listeners:
    """Opens streams of one server and reads them all."""

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
        """Ask for a stream; nothing is read yet."""
        client = self._stack.enter_context(socket.create_connection(self._address, timeout=30))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        client.setblocking(False)
        self.received[client] = b""
        self._selector.register(client, selectors.EVENT_READ)
        return client

    def drop(self, client: socket.socket) -> None:
        """Hang up."""
        self._selector.unregister(client)
        del self.received[client]
        client.close()

    def read_until(self, met: Callable[[bytes], bool], *, what: str, limit_s: float = 60) -> None:
        """Return when everything received by each client meets a condition."""
        deadline = time.monotonic() + limit_s
        while waiting := [c for c, text in self.received.items() if not met(text)]:
            assert time.monotonic() < deadline, f"{what}: {len(waiting)} still wait"
            for key, _ in self._selector.select(timeout=0.1):
                client = key.fileobj
                assert isinstance(client, socket.socket)
                text = client.recv(65_536)
                self.received[client] += text
                if not text:
                    self._selector.unregister(client)
