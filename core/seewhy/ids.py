"""Ids of jobs and batches: UUIDs of version 7, which sort by the millisecond of their creation."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

RANDOM_BITS = 74
"""The bits of an id that are neither its time nor its version."""


def new_job_id(
    *,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    random_bits: Callable[[int], int] = secrets.randbits,
) -> str:
    """Create a lower-case UUID of version 7 (RFC 9562, section 5.7).

    All of its `RANDOM_BITS` are random. Generators that count within a millisecond leave fewer, so
    that a client could guess the ids next to its own.
    """
    return _uuid7(now_ms(), random_bits(RANDOM_BITS))


def item_job_id(batch_id: str, index: int) -> str:
    """Return the id of the job of a batch's item, always the same.

    It has the time of the batch, and its other bits are a digest that only those can compute who
    know the batch's id. Raises `ValueError` when `batch_id` is not a job id.
    """
    job_time(batch_id)
    digest = hashlib.sha256(f"{batch_id}/{index}".encode()).digest()
    return _uuid7(UUID(batch_id).int >> 80, int.from_bytes(digest) >> (256 - RANDOM_BITS))


def _uuid7(at_ms: int, randomness: int) -> str:
    high, low = randomness >> 62, randomness & (2**62 - 1)
    version, variant = 0x7, 0b10
    fields = at_ms << 80 | version << 76 | high << 64 | variant << 62 | low
    return str(UUID(int=fields))


def job_time(job_id: str) -> datetime:
    """Return when the id was created, in UTC, to the millisecond.

    Raises `ValueError` when `job_id` is not a lower-case UUID of version 7.
    """
    uuid = UUID(job_id)
    if str(uuid) != job_id or uuid.version != 7:
        raise ValueError("Not a job id.")
    seconds, milliseconds = divmod(uuid.int >> 80, 1000)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=milliseconds)


def is_job_id(text: str) -> bool:
    """Whether a text is a lower-case UUID of version 7."""
    try:
        job_time(text)
    except ValueError:
        return False
    return True
