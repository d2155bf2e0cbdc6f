"""The quotas of a key: its own, and the settings for the others."""

from seewhy.access.records import KeyRecord
from seewhy.ledger.types import Quotas, UploadQuotas
from seewhy.settings import Settings


def quotas_of(record: KeyRecord, settings: Settings) -> Quotas:
    """Return what the submissions of a key may use."""
    own = record.quota
    return Quotas(
        open_jobs=own.open_jobs or settings.key_open_jobs,
        submissions_per_minute=own.submissions_per_minute or settings.key_submissions_per_minute,
        passes_per_minute=own.passes_per_minute or settings.key_passes_per_minute,
    )


def upload_quotas_of(record: KeyRecord, settings: Settings) -> UploadQuotas:
    """Return what a key may send in images alone."""
    own = record.quota
    return UploadQuotas(
        uploads_per_minute=own.uploads_per_minute or settings.key_uploads_per_minute,
        uploaded_bytes_per_minute=own.uploaded_bytes_per_minute
        or settings.key_uploaded_bytes_per_minute,
    )
