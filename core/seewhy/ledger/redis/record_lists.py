"""Reading the records of a sorted set of job ids, a page at a time."""

from seewhy.ledger.redis.client.encoding import decode_records
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import JobRecord

PAGE = 100
"""How many records one script reads: reading must not block Redis for long."""


def list_records(
    scripts: Scripts, key: str, *, limit: int, tenant: str | None = None
) -> list[JobRecord]:
    """Read up to `limit` records, the oldest first; expired ones are removed from the list.

    With `tenant`, only its own.
    """
    records: list[JobRecord] = []
    examined, offset = PAGE, 0
    while examined == PAGE and len(records) < limit:
        examined, kept, *rows = scripts.call(
            "maintenance/list_records", list=key, offset=offset, limit=PAGE, tenant=tenant
        )
        offset += kept
        records += decode_records(rows)
    return records[:limit]
