"""The Redis keys that Python names; `lua/shared/keys.lua` has the same and all others."""

EVENTS = "{seewhy}:events"
EPOCH = "{seewhy}:epoch"
DUE = "{seewhy}:due"
COUNTERS = "{seewhy}:counters"
UNARCHIVED = "{seewhy}:unarchived"
UNARCHIVED_BATCHES = "{seewhy}:unarchived_batches"
DEAD_LETTERS = "{seewhy}:dead_letters"
UNDELIVERED = "{seewhy}:undelivered"
KEY_USE = "{seewhy}:key_use"
WRITE_CHECK = "{seewhy}:write_check"


def job_key(job_id: str) -> str:
    """Name the hash of a job."""
    return f"{{seewhy}}:job:{job_id}"


def batch_key(batch_id: str) -> str:
    """Name the hash of a batch."""
    return f"{{seewhy}}:batch:{batch_id}"
