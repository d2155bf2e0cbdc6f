"""The quotas of a key: its own, and the settings for the others."""

from seewhy.access.records import KeyRecord
from seewhy.ledger.types import Quotas
from seewhy.settings import Settings


def quotas_of(record: KeyRecord, settings: Settings) -> Quotas:
    """Return what a key may use."""
    own = record.quota
    return Quotas(
        open_jobs=own.open_jobs or settings.key_open_jobs,
        submissions_per_minute=own.submissions_per_minute or settings.key_submissions_per_minute,
        passes_per_minute=own.passes_per_minute or settings.key_passes_per_minute,
    )
