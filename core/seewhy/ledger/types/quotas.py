"""The quotas of an API key, and what a submission takes from them."""

from dataclasses import dataclass
from enum import StrEnum


class QuotaName(StrEnum):
    """What a key may use up."""

    OPEN_JOBS = "open-jobs"
    SUBMISSIONS = "submissions"
    PASSES = "forward-passes"
    UPLOADS = "uploads"
    UPLOADED_BYTES = "uploaded-bytes"


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one key may use. In no 60 seconds does a key get more than a minute's quota."""

    open_jobs: int
    submissions_per_minute: int
    passes_per_minute: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a submission takes from the quotas of its key, `RequestContext.key_id`."""

    quotas: Quotas
    passes: int
    """Forward passes. A result that exists or is being computed costs none."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a quota, and when some of what was used is free again."""

    amount: int
    reset_ms: int


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """What is left of the quotas of a minute."""

    submissions: Remaining
    passes: Remaining


@dataclass(frozen=True, slots=True)
class UploadQuotas:
    """The images that one key may send alone. In no 60 seconds more than a minute's quota."""

    uploads_per_minute: int
    uploaded_bytes_per_minute: int


@dataclass(frozen=True, slots=True)
class UploadUsage:
    """What is left of the upload quotas."""

    uploads: Remaining
    uploaded_bytes: Remaining
