"""The `RateLimit` header fields of draft-ietf-httpapi-ratelimit-headers-11.

`RateLimit-Policy` lists the quotas of a minute, `RateLimit` what is left of them. The quota of open
jobs has no time window, so it is not listed.
"""

import math
from collections.abc import Mapping

from seewhy.ledger.types import (
    QuotaName,
    Quotas,
    QuotaUsage,
    Remaining,
    UploadQuotas,
    UploadUsage,
)

POLICY_HEADER, USAGE_HEADER = "RateLimit-Policy", "RateLimit"
WINDOW_S = 60


def format_policy(quotas: Quotas) -> str:
    """Return the quotas of submissions in a minute."""
    return ", ".join(
        (
            _format_quota(QuotaName.SUBMISSIONS, quotas.submissions_per_minute),
            _format_quota(QuotaName.PASSES, quotas.passes_per_minute, unit="forward-passes"),
        )
    )


def format_upload_policy(quotas: UploadQuotas) -> str:
    """Return the quotas of uploads in a minute."""
    return ", ".join(
        (
            _format_quota(QuotaName.UPLOADS, quotas.uploads_per_minute),
            _format_quota(
                QuotaName.UPLOADED_BYTES, quotas.uploaded_bytes_per_minute, unit="content-bytes"
            ),
        )
    )


def format_usage(usage: QuotaUsage) -> str:
    """Return what is left of the quotas of submissions."""
    return _format_left({QuotaName.SUBMISSIONS: usage.submissions, QuotaName.PASSES: usage.passes})


def format_upload_usage(usage: UploadUsage) -> str:
    """Return what is left of the quotas of uploads."""
    return _format_left(
        {QuotaName.UPLOADS: usage.uploads, QuotaName.UPLOADED_BYTES: usage.uploaded_bytes}
    )


def format_remaining(name: str, *, remaining: int, reset_s: int) -> str:
    """Return what is left of one quota."""
    return f'"{name}";r={remaining};t={reset_s}'


def _format_quota(name: str, quota: int, *, unit: str | None = None) -> str:
    """Return one quota; its unit is requests unless it is named."""
    return f'"{name}";q={quota};w={WINDOW_S}' + (f';qu="{unit}"' if unit else "")


def _format_left(left: Mapping[QuotaName, Remaining]) -> str:
    return ", ".join(
        format_remaining(name, remaining=one.amount, reset_s=math.ceil(one.reset_ms / 1000))
        for name, one in left.items()
    )
