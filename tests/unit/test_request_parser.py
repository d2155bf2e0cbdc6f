"""Limits on requests while they are received."""

from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waitress.adjustments import Adjustments

from seewhy_api.connections.request_parser import BodyBudget, RequestParser

ADJUSTMENTS = Adjustments(port=0, max_request_header_size=16_384, max_request_body_size=10_001)
ADJUSTMENTS_FOR_LARGE_BODIES = Adjustments(port=0)
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def parse(*parts: bytes, budget: BodyBudget | None = None) -> RequestParser:
    parser = RequestParser(ADJUSTMENTS, budget=budget or BodyBudget(1_000_000))
    for part in parts:
        rest = part
        while rest and not parser.completed:
            rest = rest[parser.received(rest) :]
    return parser


def with_length(size: int) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()


def test_a_body_of_the_largest_size_is_received_and_one_byte_more_is_refused() -> None:
    largest = parse(with_length(10_000), b"x" * 10_000)
    assert (largest.completed, largest.error) == (True, None)
    assert largest.get_body_stream().read() == b"x" * 10_000
    assert parse(with_length(10_001)).error.code == 413


def test_bodies_of_all_clients_share_one_budget() -> None:
    budget = BodyBudget(1_500)
    first = parse(with_length(1_000), b"x" * 1_000, budget=budget)
    second = parse(with_length(1_000), b"x" * 1_000, budget=budget)
    assert first.error is None
    assert (second.error.code, second.completed) == (503, True)
    first.close()
    assert budget.used_bytes == 0
    assert parse(with_length(1_000), b"x" * 1_000, budget=budget).error is None


def test_a_request_with_two_kinds_of_length_is_refused() -> None:
    header = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")
    assert parse(header).error.code == 400


@pytest.mark.parametrize("endless", [b"1" * 2_000, b"0\r\n" + b"a: b\r\n" * 1_500])
def test_an_endless_chunk_header_or_trailer_is_refused(endless: bytes) -> None:
    parser = parse(CHUNKED, endless)
    assert parser.error.code == 400
    assert "too long" in parser.error.body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
)
def test_what_the_standard_forbids_is_refused(request_bytes: bytes, status: int) -> None:
    parser = parse(request_bytes)
    assert (parser.completed, parser.error.code) == (True, status)


def test_the_absolute_form_overrides_the_host_header() -> None:
    parser = parse(b"GET http://evil.example:80/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (parser.headers["HOST"], parser.path) == ("evil.example:80", "/x")


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        with_length(1_000_000).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
    ],
    ids=["no body", "a body that is too large"],
)
def test_a_body_that_will_not_be_read_is_not_invited(header: bytes) -> None:
    parser = parse(header)
    assert (parser.completed, parser.expect_continue) == (True, False)


def test_a_body_that_cannot_be_buffered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise OSError("No space left on device")

    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.__init__", lambda *_: fail())
    budget = BodyBudget(1_000_000)
    adjustments = Adjustments(port=0, inbuf_overflow=100)
    parser = RequestParser(adjustments, budget=budget)
    parser.received(with_length(10_000))
    assert parser.received(b"x" * 10_000) == 10_000
    assert (parser.completed, parser.error.code) == (True, 503)
    parser.close()
    assert budget.used_bytes == 0


@given(st.lists(st.binary(min_size=60, max_size=200), min_size=1, max_size=20), st.integers(1, 99))
def test_a_chunked_body_is_received_whole(chunks: list[bytes], read_bytes: int) -> None:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    reads = [framed[start : start + read_bytes] for start in range(0, len(framed), read_bytes)]
    parser = parse(CHUNKED, *reads)
    assert (parser.completed, parser.error) == (True, None)
    assert parser.get_body_stream().read() == b"".join(chunks)
    assert parser.headers["CONTENT_LENGTH"] == str(sum(map(len, chunks)))


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"\r\n"])
def test_chunks_that_are_mostly_framing_are_refused(chunk: bytes) -> None:
    parser = RequestParser(ADJUSTMENTS_FOR_LARGE_BODIES, budget=BodyBudget(10_000_000))
    parser.received(CHUNKED)
    for _ in range(100):
        parser.received(chunk * 1_000)
    assert (parser.completed, parser.error.code) == (True, 400)
    assert parser.body_bytes_received < 30_000


def test_a_malformed_chunk_size_is_a_bad_request() -> None:
    assert parse(CHUNKED, b"zz\r\nhello\r\n0\r\n\r\n").error.code == 400


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_the_budget_counts_exactly_the_bodies_that_are_open(bodies: list[bytes]) -> None:
    budget = BodyBudget(10_000_000)
    parsers = [parse(with_length(len(body)), body, budget=budget) for body in bodies]
    assert budget.used_bytes == sum(map(len, bodies))
    for parser in parsers:
        parser.close()
        parser.close()
    assert budget.used_bytes == 0
