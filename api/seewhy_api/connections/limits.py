"""The limits that protect the server from slow and greedy clients."""

import resource
from dataclasses import dataclass
from typing import Self

from seewhy.settings import Settings

MAX_OPEN_FILES = 65_536
RESERVED_FILES = 256
"""File descriptors kept for Redis, the object store, logs and listeners."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """What one serving process grants its clients."""

    request_threads: int
    stream_threads: int
    max_connections: int
    max_body_bytes: int
    max_batch_bytes: int = 500_000_000
    """The size limit of a body with the items of a batch."""
    max_buffered_bytes: int
    """What all bodies of requests may take, and what all unread responses may take."""
    header_timeout_s: float
    body_timeout_s: float
    body_min_bytes_per_s: int
    max_header_bytes: int = 16_384
    spool_bytes: int = 65_536
    """Larger bodies are buffered in a temporary file."""
    response_buffer_bytes: int = 1_000_000
    """While a client has left more of a streamed response unread, its thread waits."""
    idle_timeout_s: float = 75.0
    """After a response, how long a connection is kept for the next request."""
    write_timeout_s: float = 75.0
    """How long a client may read nothing of a response, and the window of its minimum rate."""

    @classmethod
    def of(cls, settings: Settings, *, max_body_bytes: int) -> Self:
        """Take the limits from the settings."""
        return cls(
            request_threads=settings.api_threads,
            stream_threads=settings.api_streams,
            max_connections=settings.api_connections,
            max_body_bytes=max_body_bytes,
            max_batch_bytes=settings.batch_max_bytes,
            max_buffered_bytes=settings.api_buffered_bytes,
            header_timeout_s=settings.api_header_timeout_s,
            body_timeout_s=settings.api_body_timeout_s,
            body_min_bytes_per_s=settings.api_body_min_bytes_per_s,
        )


def allow_connections(wanted: int) -> int:
    """Raise this process's limit of open files; return how many connections fit, at most `wanted`.

    A connection needs a socket and, for a large body, a temporary file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
        except (OSError, ValueError):
            pass  # macOS allows fewer files than its hard limit says
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(16, min(wanted, (soft - RESERVED_FILES) // 2))
