"""The state of a service at one moment, for a person who looks at it."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ledger.types import LedgerStatus, RegisteredWorker, ServerStatus
from seewhy.monitoring.queue_list import Queues
from seewhy.monitoring.service_alerts import Alert, LedgerReadings, alerts_of
from seewhy.monitoring.worker_list import Worker, worker_list
from seewhy.schemas.job import JobState


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class DependencyChecks(_Model):
    """`ok`, or the code of an error."""

    ledger: str
    store: str


class SeenWorker(Worker):
    """A worker, and how long ago it reported."""

    unseen_s: float = Field(description="The time since its last sign of life.")


class JobTotals(_Model):
    """Jobs of all tenants since the ledger was created."""

    accepted: int
    open: int = Field(description="Those without an outcome.")
    ended: dict[JobState, int] = Field(description="Those with an outcome, by it.")
    leases_expired: int = Field(description="Claims that workers lost without a report.")


class RedisFigures(_Model):
    """What the Redis server of the ledger says of itself."""

    memory_bytes: int
    memory_limit_bytes: int = Field(description="0 means none.")
    clients: int


class ServiceStatus(_Model):
    """A service at one moment. What is read from Redis is null while it does not answer."""

    version: str = Field(description="The version of the API.")
    checks: DependencyChecks
    alerts: tuple[Alert, ...] = Field(description="What is wrong now, the most urgent first.")
    queues: Queues | None
    workers: tuple[SeenWorker, ...] | None
    jobs: JobTotals | None
    redis: RedisFigures | None

    @classmethod
    def of(
        cls, *, checks: DependencyChecks, readings: LedgerReadings | None, shows_hosts: bool
    ) -> Self:
        """Describe a service.

        Without `shows_hosts`, workers are named by the random part of their ids, and why models
        could not be loaded is left out: it may name files.
        """
        if readings and not shows_hosts:
            readings = replace(readings, workers=_without_hosts(readings.workers))
        return cls(
            version=version("seewhy"),
            checks=checks,
            alerts=alerts_of(ledger=checks.ledger, store=checks.store, readings=readings),
            queues=Queues.of(readings.status, readings.workers) if readings else None,
            workers=_workers(readings) if readings else None,
            jobs=_totals(readings.status) if readings else None,
            redis=_redis(readings.server) if readings else None,
        )


def _without_hosts(workers: Sequence[RegisteredWorker]) -> tuple[RegisteredWorker, ...]:
    return tuple(
        replace(
            worker,
            worker_id=worker.worker_id.rpartition(":")[2],
            details=replace(
                worker.details,
                failed_loads=dict.fromkeys(
                    worker.details.failed_loads, "the scope admin shows the reason"
                ),
            ),
        )
        for worker in workers
    )


def _workers(readings: LedgerReadings) -> tuple[SeenWorker, ...]:
    return tuple(
        SeenWorker(**listed.model_dump(), unseen_s=readings.unseen_ms(worker) / 1000)
        for listed, worker in zip(worker_list(readings.workers), readings.workers, strict=True)
    )


def _totals(status: LedgerStatus) -> JobTotals:
    return JobTotals(
        accepted=status.counts.accepted,
        open=status.counts.non_terminal,
        ended=dict(status.counts.terminal),
        leases_expired=status.leases_expired,
    )


def _redis(server: ServerStatus) -> RedisFigures:
    return RedisFigures(
        memory_bytes=server.used_memory_bytes,
        memory_limit_bytes=server.max_memory_bytes,
        clients=server.clients,
    )
