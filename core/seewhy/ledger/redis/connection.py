"""The connection to Redis or Valkey: how long it waits, and what its errors mean here."""

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
    """Make a client whose calls end within about twice `timeout_s`, connected on first use.

    A call is tried once more on a fresh connection: after a restart of the server the pool holds
    dead ones. Running a script twice is harmless, whatever became of the first reply.
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
    """Raise `LedgerUnavailable` where Redis is away or takes no writes; pass on the rest."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError) as error:
        raise LedgerUnavailable(f"Redis does not take the call: {error}") from error
    except ResponseError as error:
        if str(error).startswith(("MISCONF", "NOREPLICAS", "OOM", "LOADING", "MASTERDOWN")):
            raise LedgerUnavailable(f"Redis refuses to write: {error}") from error
        raise
