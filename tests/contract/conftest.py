"""The ledgers that the contract tests run on: in memory, on Valkey and on Redis."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ledger_harness import LedgerHarness, MemoryHarness, RedisHarness


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def open_harness(request: pytest.FixtureRequest) -> Iterator[Callable[..., LedgerHarness]]:
    """Open an empty ledger, with a `policy` of the test's own if it gives one."""
    if request.param == "memory":
        yield MemoryHarness
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield partial(RedisHarness, client)


@pytest.fixture
def harness(open_harness: Callable[..., LedgerHarness]) -> LedgerHarness:
    return open_harness()
