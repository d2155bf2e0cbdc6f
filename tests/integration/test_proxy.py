"""Every mode of the fault proxy, byte by byte, against an echo server."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from servers.proxy import FaultProxy, start_proxy
from servers.waiting import wait_until

SILENCE_S = 0.2


class _Echo(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received = b""


class _Handler(socketserver.BaseRequestHandler):
    server: _Echo

    def handle(self) -> None:
        try:
            while chunk := self.request.recv(1000):
                self.server.received += chunk
                self.request.sendall(chunk)
        except OSError:
            return


@pytest.fixture
def echo() -> Iterator[_Echo]:
    with _Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def proxy(echo: _Echo) -> Iterator[FaultProxy]:
    with start_proxy(echo.server_address[1]) as running:
        yield running


def dial(proxy: FaultProxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send bytes and read the same number, or fewer if the connection ends."""
    connection.sendall(request)
    response = b""
    while len(response) < len(request) and (chunk := connection.recv(1000)):
        response += chunk
    return response


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def test_bytes_and_the_end_of_the_stream_pass_in_both_directions(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        assert exchange(connection, b"x" * 200_000) == b"x" * 200_000
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (proxy.accepted, proxy.cuts) == (1, 0)


def test_slow_delays_every_byte(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        proxy.slow(delay_s=0.1, bytes_per_s=1000)
        started = time.monotonic()
        assert exchange(connection, b"x" * 100) == b"x" * 100
        assert time.monotonic() - started >= 2 * (0.1 + 0.1), "in each direction"


def test_a_black_hole_accepts_bytes_and_drops_them(proxy: FaultProxy, echo: _Echo) -> None:
    with dial(proxy) as before:
        exchange(before, b"hello")
        proxy.black_hole()
        with dial(proxy) as after:
            for connection in (before, after):
                connection.sendall(b"dropped")
                assert is_silent(connection)
            proxy.heal()
            assert is_silent(after), "dropped bytes are not delivered later"
        assert exchange(before, b"again") == b"again"
    assert echo.received == b"helloagain"


def test_half_open_keeps_a_dead_connection_open_for_the_client(
    proxy: FaultProxy, echo: _Echo
) -> None:
    with dial(proxy) as dead:
        exchange(dead, b"hello")
        proxy.half_open()
        dead.sendall(b"dropped")
        assert is_silent(dead)
        with dial(proxy) as alive:
            assert exchange(alive, b"hello") == b"hello"
    assert echo.received == b"hellohello"


def test_reset_closes_open_and_new_connections(proxy: FaultProxy) -> None:
    with dial(proxy) as before:
        exchange(before, b"hello")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            before.recv(1)
    with pytest.raises(ConnectionResetError), dial(proxy) as after:
        after.recv(1)
    proxy.heal()
    with dial(proxy) as connection:
        assert exchange(connection, b"hello") == b"hello"


def test_refuse_stops_listening_and_keeps_the_port(proxy: FaultProxy) -> None:
    port = proxy.port
    with dial(proxy) as before:
        exchange(before, b"hello")
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            before.recv(1)
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    proxy.heal()
    assert proxy.port == port
    with dial(proxy) as connection:
        assert exchange(connection, b"hello") == b"hello"


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_a_cut_downstream_truncates_the_response(
    proxy: FaultProxy, echo: _Echo, allowed: int
) -> None:
    with dial(proxy) as connection:
        exchange(connection, b"before")
        proxy.cut(down_bytes=allowed)
        assert exchange(connection, b"0123456789") == b"0123456789"[:allowed]
    assert echo.received == b"before0123456789", "the server received the whole request"
    assert proxy.cuts == 1


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_a_cut_upstream_truncates_the_request(proxy: FaultProxy, echo: _Echo, allowed: int) -> None:
    with dial(proxy) as connection:
        proxy.cut(up_bytes=allowed)
        connection.sendall(b"0123456789")
        wait_until(lambda: proxy.cuts == 1, what="the cut", limit_s=5)
        wait_until(lambda: len(echo.received) == allowed, what="the allowed bytes", limit_s=5)
    assert echo.received == b"0123456789"[:allowed]


def test_a_marker_selects_the_connection_and_position_even_when_split(
    proxy: FaultProxy, echo: _Echo
) -> None:
    with dial(proxy) as marked, dial(proxy) as other:
        proxy.cut(up_bytes=2, marker=b"PUSH", times=1)
        assert exchange(other, b"PULL") == b"PULL"
        assert exchange(marked, b"first PU") == b"first PU"
        marked.sendall(b"SHED")
        wait_until(lambda: proxy.cuts == 1, what="the cut", limit_s=5)
        assert marked.recv(10) in {b"", b"SH"}
        assert exchange(other, b"PUSH") == b"PUSH", "the cut applies once"
    assert b"SHED" not in echo.received


def test_an_unreachable_server_resets_the_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with (
            start_proxy(closed.getsockname()[1]) as proxy,
            pytest.raises(ConnectionResetError),
            dial(proxy) as connection,
        ):
            connection.recv(1)


def test_the_proxy_leaves_no_thread_behind(echo: _Echo) -> None:
    with start_proxy(echo.server_address[1]) as proxy, dial(proxy) as connection:
        exchange(connection, b"hello")
    assert "proxy" not in {thread.name for thread in threading.enumerate()}
