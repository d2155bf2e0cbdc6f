"""When a connection is too slow, with a clock that the test moves."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from waitress.adjustments import Adjustments

from seewhy_api.connections import connection as module
from seewhy_api.connections.connection import Connection
from seewhy_api.connections.limits import ServerLimits
from seewhy_api.connections.request_parser import BodyBudget

LIMITS = ServerLimits(
    request_threads=1,
    stream_threads=1,
    max_connections=1,
    max_body_bytes=1_000_000,
    max_buffered_bytes=1_000_000,
    header_timeout_s=10,
    body_timeout_s=300,
    body_min_bytes_per_s=1_000,
)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"


class Clock:
    """Replaces `time` in the module of the connection."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of the connection: the server's and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def client(sockets: tuple[socket.socket, socket.socket]) -> socket.socket:
    return sockets[1]


@pytest.fixture
def connection(clock: Clock, sockets: tuple[socket.socket, socket.socket]) -> Iterator[Connection]:
    """A connection whose requests are served at once, by no one."""
    server = SimpleNamespace(
        budget=BodyBudget(1_000_000),
        limits=LIMITS,
        active_channels={},
        add_task=lambda _: None,
        make_room=lambda _: None,
        pull_trigger=lambda: None,
    )
    connection = Connection(server, sockets[0], ("127.0.0.1", 1), Adjustments(port=0), map={})
    yield connection
    connection.handle_close()


def serve(connection: Connection) -> list[int | None]:
    """Take the requests that wait; return the status of each that was refused."""
    statuses = [request.error.code if request.error else None for request in connection.requests]
    connection.requests.clear()
    return statuses


def test_each_pipelined_header_has_its_own_time(connection: Connection, clock: Clock) -> None:
    connection.received(GET + GET[:10])
    for _ in range(5):
        assert serve(connection) == [None]
        clock.now_s += 9
        connection.check()
        assert serve(connection) == []
        connection.received(GET[10:] + GET[:10])
    serve(connection)
    clock.now_s += 11
    connection.check()
    assert serve(connection) == [408]


def test_a_header_after_a_body_is_not_measured_as_a_body(
    connection: Connection, clock: Clock
) -> None:
    connection.received(POST + b"x" * 20_000)
    clock.now_s += 5
    connection.received(b"x" * 30_000 + GET[:10])
    assert serve(connection) == [None]
    clock.now_s += 9
    connection.check()
    assert serve(connection) == []
    connection.received(GET[10:])
    assert serve(connection) == [None]


def test_a_body_is_measured_in_windows(connection: Connection, clock: Clock) -> None:
    connection.received(POST)
    for _ in range(3):
        connection.received(b"x" * 12_000)
        clock.now_s += 11
        connection.check()
        assert serve(connection) == []
    clock.now_s += 11
    connection.check()
    assert serve(connection) == [408]


def test_blank_lines_neither_make_requests_nor_keep_a_connection(
    connection: Connection, clock: Clock
) -> None:
    for _ in range(4):
        connection.received(b"\r\n" * 4_000)
        clock.now_s += 3
    connection.check()
    assert (serve(connection), connection.will_close) == ([], True)


def test_an_unread_response_has_a_minimum_rate(
    connection: Connection, client: socket.socket, clock: Clock
) -> None:
    connection.write_soon(bytes(5_000_000))
    connection.check()
    for read_bytes in (150_000, 150_000, 20_000):
        assert not connection.will_close
        assert len(client.recv(read_bytes, socket.MSG_WAITALL)) == read_bytes
        connection.handle_write()
        clock.now_s += LIMITS.write_timeout_s + 1
        connection.check()  # one window ends, and the next begins
        connection.check()
    assert connection.will_close
