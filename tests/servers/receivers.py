"""Receivers of webhooks that behave as badly as they are told to, on real sockets."""

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
    """A request that came whole, and when, in s since 1970."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """`port`, and what came of each connection: heads, whole messages, the names asked for.

    `thanked` has the messages that were answered with 2xx.
    """

    port: int
    heads: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    thanked: list[Message] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    sent_bytes: int = 0
    over: threading.Event = field(default_factory=threading.Event)


Behaviour = Callable[[socket.socket, Receiver], None]
THANKS = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(raw: bytes) -> Behaviour:
    """Read a request and send these bytes."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        message = _read(connection, receiver)
        connection.sendall(raw)
        _note(receiver, message, raw)

    return behave


def thank(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and answer 204."""
    answer(THANKS)(connection, receiver)


def until(over: threading.Event, bad: Behaviour, good: Behaviour = thank) -> Behaviour:
    """Be bad to those who connect before it is over, and good to the others."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        chosen = good if over.is_set() else bad
        chosen(connection, receiver)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave towards each connection as the next of these says, and for ever as the last."""
    left = list(behaviours)
    lock = threading.Lock()

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(connection, receiver)

    return behave


def greet(raw: bytes) -> Behaviour:
    """Send these bytes before anything is asked."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(raw)
        receiver.over.wait(_LIMIT_S)

    return behave


def hang(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and say nothing until the test is over."""
    _read(connection, receiver)
    receiver.over.wait(_LIMIT_S)


def ignore(_: socket.socket, receiver: Receiver) -> None:
    """Accept the connection and do nothing at all."""
    receiver.over.wait(_LIMIT_S)


def hang_up(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and close."""
    _read(connection, receiver)


def reset(connection: socket.socket, receiver: Receiver) -> None:
    """Read a request and reset the connection."""
    _read(connection, receiver)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(start: bytes, *, every_s: float = 0.05) -> Behaviour:
    """Read a request and send `start`, then a byte now and then, always soon, for a minute."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        _read(connection, receiver)
        connection.sendall(start)
        for _ in range(round(_LIMIT_S / every_s)):
            if receiver.over.wait(every_s):
                return
            connection.sendall(b"x")

    return behave


def flood(start: bytes) -> Behaviour:
    """Read a request, send `start`, and then as much as the other side takes."""

    def behave(connection: socket.socket, receiver: Receiver) -> None:
        message = _read(connection, receiver)
        connection.sendall(start)
        _note(receiver, message, start)
        while not receiver.over.is_set():
            receiver.sent_bytes += connection.send(bytes(65_536))

    return behave


@contextmanager
def receiving(
    behaviour: Behaviour,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Receiver]:
    """Behave so towards every connection to a loopback port, a free one unless it is given."""
    listener = socket.create_server((host, port))
    receiver = Receiver(listener.getsockname()[1])
    if tls:
        tls.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(_LIMIT_S)
        with connection, suppress(OSError):
            if tls:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    behaviour(encrypted, receiver)
            else:
                behaviour(connection, receiver)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if receiver.over.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        socket.create_connection(listener.getsockname(), timeout=_LIMIT_S).close()
        for thread in (accepting, *threads):
            thread.join()
        listener.close()


def _read(connection: socket.socket, receiver: Receiver) -> Message:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    receiver.heads.append(head)
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        body += piece
    message = _message(head, body)
    receiver.messages.append(message)
    return message


def _note(receiver: Receiver, message: Message, told: bytes) -> None:
    if told.startswith(b"HTTP/1.1 2"):
        receiver.thanked.append(message)


def _message(head: bytes, body: bytes) -> Message:
    request, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (o.partition(":") for o in lines)}
    return Message(request.split(" ")[1], headers, body, time.time())
