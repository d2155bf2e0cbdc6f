"""The whole ledger on one Redis or Valkey server."""

from redis import Redis

from seewhy.ledger.redis.batches import RedisBatches
from seewhy.ledger.redis.claims import RedisClaims
from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.redis.jobs import RedisJobs
from seewhy.ledger.redis.key_use import RedisKeyUse
from seewhy.ledger.redis.maintenance import RedisMaintenance
from seewhy.ledger.redis.monitoring import RedisMonitoring
from seewhy.ledger.redis.outbox import RedisOutbox
from seewhy.ledger.redis.recovery import RedisRecovery
from seewhy.ledger.redis.submission import RedisSubmission
from seewhy.ledger.redis.uploads import RedisUploads
from seewhy.ledger.redis.workers import RedisWorkerRegistry
from seewhy.ledger.types import LedgerPolicy
from seewhy.settings import Settings

_OTHER_THREADS = 64
"""More than a process has beside those of requests and event streams: for batches and tasks."""


class RedisLedger(
    RedisSubmission, RedisClaims, RedisJobs, RedisMaintenance, RedisMonitoring, RedisRecovery
):
    """Implements `seewhy.ledger.ports.ledger.Ledger`. Redis Cluster is not supported."""

    def __init__(
        self, client: Redis, *, policy: LedgerPolicy | None = None, clock: str | None = None
    ) -> None:
        """Prepare without connecting. `clock` is Lua that defines `now_ms()`, for tests."""
        self.scripts = Scripts(client, policy=policy or LedgerPolicy(), clock=clock)
        self.outbox = RedisOutbox(self.scripts)
        self.batches = RedisBatches(self.scripts)
        self.workers = RedisWorkerRegistry(self.scripts)
        self.key_use = RedisKeyUse(self.scripts)
        self.uploads = RedisUploads(self.scripts)


def open_ledger(settings: Settings) -> RedisLedger:
    """Create the ledger. All processes must use the same settings."""
    policy = LedgerPolicy(
        lease_ms=round(settings.lease_s * 1000),
        max_attempts=settings.max_attempts,
        max_exposed_crashes=max(1, settings.max_attempts - 1),
        max_crash_pause_ms=round(settings.lease_s * 4000),
        recheck_ms=round(settings.sweep_interval_s * 1000),
        retention_ms=settings.retention_s * 1000,
        idempotency_ttl_ms=min(86_400, settings.retention_s) * 1000,
        jobs_per_wakeup=settings.max_batch,
        lane_limit=settings.queue_limit,
        tenant_limit=settings.tenant_queue_limit,
        lane_backlog_ms=settings.queue_limit_device_s * 1000,
        tenant_backlog_ms=settings.tenant_queue_limit_device_s * 1000,
        tenant_batch_limit=settings.tenant_batch_limit,
        record_limit=settings.tenant_record_limit,
        cache_ms=settings.effective_cache_ttl_s * 1000,
    )
    threads = settings.api_threads + settings.api_streams + _OTHER_THREADS
    return RedisLedger(connect(settings.redis_url, max_connections=threads), policy=policy)
