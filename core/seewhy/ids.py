"""Job ids: UUIDs of version 7, which sort by creation time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7


def new_job_id() -> str:
    """Create a lower-case UUID of version 7 (RFC 9562, section 5.7)."""
    return str(uuid7())


def job_time(job_id: str) -> datetime:
    """Return when the id was created, in UTC, to the millisecond.

    Raises `ValueError` when `job_id` is not a lower-case UUID of version 7.
    """
    uuid = UUID(job_id)
    if str(uuid) != job_id or uuid.version != 7:
        raise ValueError(f"Not a job id: {job_id!r}")
    seconds, milliseconds = divmod(uuid.int >> 80, 1000)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=milliseconds)
