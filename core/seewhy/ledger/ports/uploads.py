"""The quotas of images that are sent alone."""

from typing import Protocol

from seewhy.ledger.types import QuotaLimit, UploadQuotas, UploadUsage


class UploadLedger(Protocol):
    """Counts what API keys send."""

    def take(
        self, key_id: str, *, size_bytes: int, quotas: UploadQuotas
    ) -> UploadUsage | QuotaLimit:
        """Take one upload from the quotas of a key, or return the quota that refuses it.

        A refused upload takes nothing. Raises `LedgerUnavailable`.
        """
        ...
