"""The `RateLimit` header fields of draft-ietf-httpapi-ratelimit-headers-11.

`RateLimit-Policy` lists the quotas of a minute, `RateLimit` what is left of them. The quota of open
jobs has no time window, so it is not listed.
"""

import math

from seewhy.ledger.types import QuotaName, Quotas, QuotaUsage

POLICY_HEADER, USAGE_HEADER = "RateLimit-Policy", "RateLimit"
WINDOW_S = 60


def format_policy(quotas: Quotas) -> str:
    """Return the quotas of a minute."""
    return (
        f'"{QuotaName.SUBMISSIONS}";q={quotas.submissions_per_minute};w={WINDOW_S}, '
        f'"{QuotaName.PASSES}";q={quotas.passes_per_minute};w={WINDOW_S};qu="forward-passes"'
    )


def format_usage(usage: QuotaUsage) -> str:
    """Return what is left of the quotas of a minute."""
    return ", ".join(
        format_remaining(name, remaining=left.amount, reset_s=math.ceil(left.reset_ms / 1000))
        for name, left in (
            (QuotaName.SUBMISSIONS, usage.submissions),
            (QuotaName.PASSES, usage.passes),
        )
    )


def format_remaining(name: str, *, remaining: int, reset_s: int) -> str:
    """Return what is left of one quota."""
    return f'"{name}";r={remaining};t={reset_s}'
