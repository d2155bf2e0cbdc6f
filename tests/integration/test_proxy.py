"""The fault proxy does what it says: every mode, on an echoing server, byte for byte."""

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
        self.heard = b""


class _Handler(socketserver.BaseRequestHandler):
    server: _Echo

    def handle(self) -> None:
        try:
            while chunk := self.request.recv(1000):
                self.server.heard += chunk
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


def asked(connection: socket.socket, words: bytes) -> bytes:
    """Send, and read as much as was sent, or to the end."""
    connection.sendall(words)
    answer = b""
    while len(answer) < len(words) and (chunk := connection.recv(1000)):
        answer += chunk
    return answer


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def test_it_passes_bytes_both_ways_and_the_end_of_them(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        assert asked(connection, b"x" * 200_000) == b"x" * 200_000
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (proxy.accepted, proxy.cuts) == (1, 0)


def test_slow_holds_every_byte_back(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        proxy.slow(delay_s=0.1, bytes_per_s=1000)
        started = time.monotonic()
        assert asked(connection, b"x" * 100) == b"x" * 100
        assert time.monotonic() - started >= 2 * (0.1 + 0.1), "up and down, each"


def test_a_black_hole_accepts_and_swallows(proxy: FaultProxy, echo: _Echo) -> None:
    with dial(proxy) as before:
        asked(before, b"hello")
        proxy.black_hole()
        with dial(proxy) as after:
            for connection in (before, after):
                connection.sendall(b"anybody?")
                assert is_silent(connection)
            proxy.heal()
            assert is_silent(after), "what was swallowed stays swallowed"
        assert asked(before, b"again") == b"again"
    assert echo.heard == b"helloagain"


def test_half_open_leaves_the_client_alone_with_a_dead_connection(
    proxy: FaultProxy, echo: _Echo
) -> None:
    with dial(proxy) as dead:
        asked(dead, b"hello")
        proxy.half_open()
        dead.sendall(b"anybody?")
        assert is_silent(dead)
        with dial(proxy) as alive:
            assert asked(alive, b"hello") == b"hello"
    assert echo.heard == b"hellohello"


def test_reset_ends_what_stands_and_what_comes(proxy: FaultProxy) -> None:
    with dial(proxy) as before:
        asked(before, b"hello")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            before.recv(1)
    with pytest.raises(ConnectionResetError), dial(proxy) as after:
        after.recv(1)
    proxy.heal()
    with dial(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"


def test_refuse_stops_listening_and_keeps_the_port(proxy: FaultProxy) -> None:
    port = proxy.port
    with dial(proxy) as before:
        asked(before, b"hello")
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            before.recv(1)
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    proxy.heal()
    assert proxy.port == port
    with dial(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_a_cut_on_the_way_down_truncates_the_answer(
    proxy: FaultProxy, echo: _Echo, allowed: int
) -> None:
    with dial(proxy) as connection:
        asked(connection, b"before")
        proxy.cut(down_bytes=allowed)
        assert asked(connection, b"0123456789") == b"0123456789"[:allowed]
    assert echo.heard == b"before0123456789", "the server has done what it was asked"
    assert proxy.cuts == 1


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_a_cut_on_the_way_up_truncates_the_request(
    proxy: FaultProxy, echo: _Echo, allowed: int
) -> None:
    with dial(proxy) as connection:
        proxy.cut(up_bytes=allowed)
        connection.sendall(b"0123456789")
        wait_until(lambda: proxy.cuts == 1, what="the cut", limit_s=5)
        wait_until(lambda: len(echo.heard) == allowed, what="what was let through", limit_s=5)
    assert echo.heard == b"0123456789"[:allowed]


def test_a_marker_picks_the_connection_and_the_place_even_split(
    proxy: FaultProxy, echo: _Echo
) -> None:
    with dial(proxy) as marked, dial(proxy) as other:
        proxy.cut(up_bytes=2, marker=b"PUSH", times=1)
        assert asked(other, b"PULL") == b"PULL"
        assert asked(marked, b"first PU") == b"first PU"
        marked.sendall(b"SHED")
        wait_until(lambda: proxy.cuts == 1, what="the cut", limit_s=5)
        assert marked.recv(10) in {b"", b"SH"}
        assert asked(other, b"PUSH") == b"PUSH", "once was enough"
    assert b"SHED" not in echo.heard


def test_a_server_that_is_gone_is_a_closed_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with (
            start_proxy(nobody.getsockname()[1]) as proxy,
            pytest.raises(ConnectionResetError),
            dial(proxy) as connection,
        ):
            connection.recv(1)


def test_it_leaves_no_thread_behind(echo: _Echo) -> None:
    with start_proxy(echo.server_address[1]) as proxy, dial(proxy) as connection:
        asked(connection, b"hello")
    assert "proxy" not in {thread.name for thread in threading.enumerate()}
