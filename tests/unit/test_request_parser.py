"""Limits on requests while they are received."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waitress.adjustments import Adjustments

from seewhy_api.connections.request_parser import BodyBudget, RequestParser

ADJUSTMENTS = Adjustments(port=0, max_request_header_size=16_384, max_request_body_size=10_001)
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
