"""The connection to Redis or Valkey: timeouts, and the translation of errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from seewhy.errors import LedgerUnavailable


def connect(url: str, *, timeout_s: float = 5.0) -> Redis:
    """Create a client that connects on first use and ends calls within about twice `timeout_s`.

    A call is retried once on a new connection, because after a restart of the server the pool holds
    dead ones. Every script may safely run twice.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raise `LedgerUnavailable` when Redis cannot be reached or refuses writes."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError) as error:
        raise LedgerUnavailable(f"Cannot reach Redis: {error}") from error
    except ResponseError as error:
        if str(error).startswith(("MISCONF", "NOREPLICAS", "OOM", "LOADING", "MASTERDOWN")):
            raise LedgerUnavailable(f"Redis refuses writes: {error}") from error
        raise
