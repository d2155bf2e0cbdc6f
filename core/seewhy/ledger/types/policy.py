"""The ledger's durations and limits."""

from dataclasses import dataclass

DAY_MS = 86_400_000

WORKER_LOST = "worker_lost"
"""The error code of a job whose workers were lost too often."""

WORKER_LOST_DETAIL = "The worker died or stopped responding whenever it ran this job alone."
CRASH_LIMIT_DETAIL = "Too many workers were lost while they held this job."


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """The ledger's durations and limits. All processes need the same values.

    It holds no points in time: the clock is the ledger's own (I3).
    """

    lease_ms: int = 30_000
    max_attempts: int = 3
    """The most attempts that do not end in a crash."""
    max_exposed_crashes: int = 2
    """The most crashes of workers that were exposed to a job."""
    max_crashes: int = 20
    """The most crashes of workers that held a job, whatever the cause."""
    max_crash_pause_ms: int = 120_000
    """The longest pause after a crash. From the second crash on, the pause is `recheck_ms` and
    doubles; after an exposed crash it is the longest at once."""
    recheck_ms: int = 5_000
    """How soon the sweep checks a duplicate; grows with the job's age to `recheck_max_ms`."""
    recheck_max_ms: int = 60_000
    recheck_ready_ms: int = 600_000
    """How soon the sweep checks a ready job. It only waits: wakeups are counted per lane."""
    retention_ms: int = 7 * DAY_MS
    idempotency_ttl_ms: int = DAY_MS
    reservation_ms: int = 30_000
    """How long a reserved idempotency key stays busy when its request never finishes."""
    reservation_ttl_ms: int = 600_000
    """How long an unfinished request with an idempotency key passes its job id on to the next."""
    jobs_per_wakeup: int = 8
    """One wakeup is sent per this many ready jobs; each occupies one worker thread."""
    max_wakeups: int = 32
    """The most unread wakeups of one queue."""
    max_events: int = 10_000
    max_skipped: int = 100
    """How many expired jobs, and tenants without jobs, one step of a claim passes over."""
    max_cost_ratio: int = 8
    """How many times as much as the first job of a bounded claim another may cost, or as little: a
    cheap job does not wait for an expensive one of its batch."""
    max_shared: int = 100
    """How many duplicates finish in one step; the sweep continues."""
    lane_limit: int = 1_000_000
    """The most open jobs (queued or running) of a lane."""
    tenant_limit: int = 250_000
    """The most open jobs of one tenant in a lane."""
    lane_backlog_ms: int = 1_000_000_000
    """The most device time that the ready jobs of a lane take."""
    tenant_backlog_ms: int = 250_000_000
    """The most device time that the ready jobs of one tenant in a lane take."""
    record_limit: int = 250_000
    """The most records of one tenant's jobs that were cancelled, expired or cached."""
    max_latest: int = 2_000
    """How many of a tenant's jobs are listed as the latest."""
    tenant_batch_limit: int = 100
    """The most unfinished batches of one tenant."""
    cache_ms: int = DAY_MS
    """How long a success answers later requests with the same fingerprint."""
    webhook_retention_ms: int = 4 * DAY_MS
    """The minimum retention of a job with a webhook: its delivery may be retried this long."""
    origin_lease_ms: int = 120_000
    """How long a dispatcher holds an origin; unreported deliveries are due again after that."""
