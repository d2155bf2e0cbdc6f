"""Webhook receivers on real sockets, with configurable misbehavior."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_LIMIT_S = 60.0


@dataclass(frozen=True)
class Message:
    """A complete request, and its time in s since 1970."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """A listening port and its records: request heads, complete messages, TLS server server_names.

    `acknowledged` holds the messages that were answered with 2xx.
    """

    port: int
    heads: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    acknowledged: list[Message] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    sent_bytes: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


Behavior = Callable[[socket.socket, Receiver], None]
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(raw: bytes) -> Behavior:
    """Read a request and send `raw`."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        message = _read(connection, receiver)
        connection.sendall(raw)
        _record(receiver, message, raw)

    return behave


def acknowledge(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and answer 204."""
    answer(NO_CONTENT)(connection, receiver)


def misbehave_until(
    recovered: threading.Event, bad: Behavior, good: Behavior = acknowledge
) -> Behavior:
    """Use the `bad` behavior until the event is set, then the `good` one."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        behavior = good if recovered.is_set() else bad
        behavior(connection, receiver)

    return behave


def in_turn(*behaviors: Behavior) -> Behavior:
    """Use one behavior per connection, in order, and repeat the last."""
    remaining = list(behaviors)
    lock = threading.Lock()

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        with lock:
            behavior = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        behavior(connection, receiver)

    return behave


def greet(raw: bytes) -> Behavior:
    """Send `raw` before any request."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(raw)
        receiver.stopped.wait(_LIMIT_S)

    return behave


def hang(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and send nothing until the receiver stops."""
    _read(connection, receiver)
    receiver.stopped.wait(_LIMIT_S)


def ignore(_: socket.socket, receiver: Receiver) -> None:
    """Accept the connection and do nothing."""
    receiver.stopped.wait(_LIMIT_S)


def hang_up(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and close the connection."""
    _read(connection, receiver)


def reset(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and reset the connection."""
    _read(connection, receiver)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(start: bytes, *, every_s: float = 0.05) -> Behavior:
    """Read a request, send `start`, then one byte every `every_s` for a minute."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        _read(connection, receiver)
        connection.sendall(start)
        for _ in range(round(_LIMIT_S / every_s)):
            if receiver.stopped.wait(every_s):
                return
            connection.sendall(b"x")

    return behave


def flood(start: bytes) -> Behavior:
    """Read a request, send `start`, then an endless body."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        message = _read(connection, receiver)
        connection.sendall(start)
        _record(receiver, message, start)
        while not receiver.stopped.is_set():
            receiver.sent_bytes += connection.send(bytes(65_536))

    return behave


@contextmanager
def receiving(
    behavior: Behavior,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Receiver]:
    """Serve every connection to a loopback port with a behavior; by default on a free port."""
    listener = socket.create_server((host, port))
    receiver = Receiver(listener.getsockname()[1])
    if tls:
        tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(_LIMIT_S)
        with connection, suppress(OSError):
            if tls:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    behavior(encrypted, receiver)
            else:
                behavior(connection, receiver)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if receiver.stopped.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield receiver
    finally:
        receiver.stopped.set()
        socket.create_connection(listener.getsockname(), timeout=_LIMIT_S).close()
        for thread in (accepting, *threads):
            thread.join()
        listener.close()


def _read(connection: socket.socket, receiver: Receiver) -> Message:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    receiver.heads.append(head)
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError
        body += chunk
    message = _message(head, body)
    receiver.messages.append(message)
    return message


def _record(receiver: Receiver, message: Message, raw: bytes) -> None:
    if raw.startswith(b"HTTP/1.1 2"):
        receiver.acknowledged.append(message)


def _message(head: bytes, body: bytes) -> Message:
    request, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (o.partition(":") for o in lines)}
    return Message(request.split(" ")[1], headers, body, time.time())
