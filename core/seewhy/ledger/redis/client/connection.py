"""The connection to Redis or Valkey: timeouts, and the translation of errors."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    InvalidResponse,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from seewhy.errors import LedgerUnavailable

_UNREACHABLE = (RedisConnectionError, RedisTimeoutError, InvalidResponse)
"""A server that is loading, forbids the login or has too many clients is a connection error too."""

_REFUSALS = (
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_REFUSAL_CODES = ("BUSY ", "MISCONF ", "NOREPLICAS ", "UNBLOCKED ")
"""The refusals for which redis-py has no class. BUSY: a script holds the server."""


def connect(url: str, *, timeout_s: float = 5.0, max_connections: int = 100) -> Redis:
    """Create a client that connects on first use and ends calls within about twice `timeout_s`.

    Each thread needs a connection during a call; beyond `max_connections`, calls fail. A call is
    retried once on a new connection, because after a restart of the server the pool holds
    dead ones. Every script may safely run twice.
    """
    client = Redis.from_url(
        url,
        max_connections=max_connections,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )
    # The client closes its pool too, but in a reference cycle its sockets may be collected first.
    weakref.finalize(client, client.connection_pool.disconnect).atexit = False
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Raise `LedgerUnavailable` when Redis cannot be reached or refuses to serve.

    Other errors of Redis are mistakes in the program and pass.
    """
    try:
        yield
    except _UNREACHABLE as error:
        raise LedgerUnavailable(f"Cannot reach Redis: {error}") from error
    except ResponseError as error:
        if isinstance(error, _REFUSALS) or str(error).startswith(_REFUSAL_CODES):
            raise LedgerUnavailable(f"Redis refuses to serve: {error}") from error
        raise
