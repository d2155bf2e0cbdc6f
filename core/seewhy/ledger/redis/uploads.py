"""The quotas of images that are sent alone, in Redis or Valkey."""

from dataclasses import asdict

from seewhy.ledger.redis.client.encoding import decode_limit
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import QuotaLimit, Remaining, UploadQuotas, UploadUsage


class RedisUploads:
    """Implements `seewhy.ledger.ports.uploads.UploadLedger`."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._scripts = scripts

    def take(
        self, key_id: str, *, size_bytes: int, quotas: UploadQuotas
    ) -> UploadUsage | QuotaLimit:
        """Take one upload from the quotas of a key, or return the quota that refuses it."""
        limit, *left = self._scripts.call(
            "keys/take_upload", key_id=key_id, size_bytes=size_bytes, quotas=asdict(quotas)
        )
        reached = decode_limit(limit)
        if isinstance(reached, QuotaLimit):
            return reached
        uploads, uploaded_bytes = left
        return UploadUsage(Remaining(*uploads), Remaining(*uploaded_bytes))
