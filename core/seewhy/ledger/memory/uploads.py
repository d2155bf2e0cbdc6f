"""The quotas of images that are sent alone, in memory."""

from seewhy.ledger.memory.state.quotas import reached_cost, take_costs
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import QuotaLimit, QuotaName, UploadQuotas, UploadUsage


class MemoryUploads:
    """Implements `seewhy.ledger.ports.uploads.UploadLedger` with the clock of a ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Count in the state of a ledger."""
        self._state = state

    def take(
        self, key_id: str, *, size_bytes: int, quotas: UploadQuotas
    ) -> UploadUsage | QuotaLimit:
        """Take one upload from the quotas of a key, or return the quota that refuses it."""
        costs = (
            (QuotaName.UPLOADS, quotas.uploads_per_minute, 1),
            (QuotaName.UPLOADED_BYTES, quotas.uploaded_bytes_per_minute, size_bytes),
        )
        with self._state.changed:
            return reached_cost(self._state, key_id, costs) or UploadUsage(
                *take_costs(self._state, key_id, costs)
            )
