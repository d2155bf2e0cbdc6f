"""What is wrong with a service now, in sentences: for people without Prometheus.

The names are those of the alerts of Prometheus, which `docs/monitoring.md` explains. Alerts that
need a history, such as rates of failures, are left to Prometheus.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ledger.types import (
    LaneStatus,
    LedgerStatus,
    ModelPresence,
    RegisteredWorker,
    ServerStatus,
    is_long,
    model_of,
    priority_of,
)
from seewhy.schemas.job import Priority

RUNBOOK = "docs/monitoring.md"
WITHOUT_ENTRY = {"SeewhyStoreDown", "SeewhyDeadLetters", "SeewhyUndelivered"}
"""Prometheus has no such alerts; the section about the status explains them."""
NOTHING_STARTS_AFTER_MS = 30_000
INTERACTIVE_WAIT_MS = 60_000
DELIVERY_DELAY_MS = 300_000
UNARCHIVED_OUTCOMES = 1_000
FULL_SHARE = 0.85
SILENT_SHARE = 0.5
"""Of a lease. A worker reports three times in a lease."""


class Alert(BaseModel):
    """Something that is wrong now."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The name of the alert in the runbook.")
    severity: Literal["page", "ticket"] = Field(
        description="`page` needs a person now, `ticket` one in working hours."
    )
    message: str = Field(description="What is wrong.")
    remedy: str = Field(description="What to do first.")
    runbook: str = Field(description="Where the documentation says more.")


@dataclass(frozen=True, slots=True)
class LedgerReadings:
    """What an operator reads of a ledger that answers."""

    status: LedgerStatus
    server: ServerStatus
    workers: Sequence[RegisteredWorker]
    presence: Mapping[str, ModelPresence]
    lease_ms: int

    def unseen_ms(self, worker: RegisteredWorker) -> int:
        """Return how long a worker has not reported, by the clock of the ledger."""
        return max(0, self._now_ms() - worker.seen_ms)

    def _now_ms(self) -> int:
        return max(
            (seen.last_seen_ms + seen.unseen_ms for seen in self.presence.values()), default=0
        )


def alerts_of(*, ledger: str, store: str, readings: LedgerReadings | None) -> tuple[Alert, ...]:
    """Say what is wrong, the most urgent first.

    `ledger` and `store` are `ok` or the code of an error, `readings` None while the ledger does not
    answer.
    """
    found = [*_servers_down(ledger, store)]
    if readings:
        found += _no_work(readings)
        found += _slow_work(readings)
        found += _workers(readings)
        found += _redis(readings.server)
        found += _backlogs(readings.status)
    return tuple(sorted(found, key=lambda alert: alert.severity))


def _page(name: str, message: str, remedy: str) -> Alert:
    return Alert(name=name, severity="page", message=message, remedy=remedy, runbook=_runbook(name))


def _ticket(name: str, message: str, remedy: str) -> Alert:
    return Alert(
        name=name, severity="ticket", message=message, remedy=remedy, runbook=_runbook(name)
    )


def _runbook(name: str) -> str:
    return f"{RUNBOOK}#{'status' if name in WITHOUT_ENTRY else name.lower()}"


def _servers_down(ledger: str, store: str) -> Iterator[Alert]:
    if ledger != "ok":
        yield _page(
            "SeewhyLedgerDown",
            "Redis does not answer. Submissions get 503, and no job starts. Accepted jobs stay.",
            "Look at the log of Redis, and restart it.",
        )
    if store != "ok":
        yield _page(
            "SeewhyStoreDown",
            "The object store does not answer. Submissions get 503, and no result is written.",
            "Look at the log of the API: it names the error of the store.",
        )


def _no_work(readings: LedgerReadings) -> Iterator[Alert]:
    """Say which models nobody serves, and where nothing starts."""
    for model, lanes in _by_model(readings.status).items():
        seen = readings.presence.get(model)
        waiting = sum(lane.ready for lane in lanes)
        oldest_ms = max(lane.oldest_ready_ms for lane in lanes)
        if not seen or not seen.workers:
            last = f" The last one reported {duration(seen.unseen_ms)} ago." if seen else ""
            yield _page(
                "SeewhyNoWorkers",
                f"No worker serves {model}: {_jobs_wait(waiting, lanes, oldest_ms)}.{last}",
                f"Start a worker with {model} among its `SEEWHY_WORKER_MODELS`.",
            )
        elif oldest_ms > NOTHING_STARTS_AFTER_MS and not any(lane.running for lane in lanes):
            yield _page(
                "SeewhyNothingStarts",
                f"Nothing starts for {model}: {_jobs_wait(waiting, lanes, oldest_ms)}, and "
                f"{count(seen.workers, 'worker')} could run them.",
                "Look at the log of the workers for `Cannot claim jobs`, then restart them.",
            )


def _slow_work(readings: LedgerReadings) -> Iterator[Alert]:
    for name, lane in sorted(readings.status.lanes.items()):
        seen = readings.presence.get(model_of(name))
        urgent = priority_of(name) is Priority.INTERACTIVE and not is_long(name)
        if urgent and lane.running and seen and lane.oldest_ready_ms > INTERACTIVE_WAIT_MS:
            yield _page(
                "SeewhyInteractiveJobsWait",
                f"People wait for {model_of(name)}: the oldest interactive job for "
                f"{duration(lane.oldest_ready_ms)}.",
                f"Add workers: there are {seen.workers}."
                if seen.workers > 1
                else "Add workers: there is one.",
            )


def _workers(readings: LedgerReadings) -> Iterator[Alert]:
    if not readings.workers and not readings.status.lanes:
        yield _ticket(
            "SeewhyNoWorkers",
            "No worker runs. Jobs will wait until one starts.",
            "Start a worker, unless an autoscaler does.",
        )
    for worker in readings.workers:
        unseen_ms = readings.unseen_ms(worker)
        if unseen_ms > SILENT_SHARE * readings.lease_ms:
            held = worker.details.jobs
            yield _ticket(
                "SeewhyLeasesExpire",
                f"Worker {worker.worker_id} has not reported for {duration(unseen_ms)}. After "
                f"{duration(readings.lease_ms)} it counts as lost"
                + (f", and its {count(held, 'job')} will run again." if held else "."),
                "Look at its log. Exit status 137 is a memory limit, 75 a device that hung.",
            )
        for model, reason in worker.details.failed_loads.items():
            yield _ticket(
                "SeewhyModelLoadsFail",
                f"Worker {worker.worker_id} cannot load {model}: {reason.rstrip('.')}.",
                "Repair the file of the model, or give the worker more memory.",
            )


def _redis(server: ServerStatus) -> Iterator[Alert]:
    if server.evicted_keys:
        yield _page(
            "SeewhyRedisEvicts",
            f"Redis has evicted {count(server.evicted_keys, 'key')} since it started. Any eviction "
            "loses jobs.",
            "Set its maxmemory-policy to noeviction.",
        )
    if server.max_memory_bytes and (
        server.used_memory_bytes > FULL_SHARE * server.max_memory_bytes
    ):
        share = server.used_memory_bytes / server.max_memory_bytes
        yield _page(
            "SeewhyRedisAlmostFull",
            f"Redis uses {share:.0%} of its memory. At the limit, submissions get 503.",
            "Add workers if jobs wait. Otherwise shorten `SEEWHY_RETENTION_S`, or add memory.",
        )
    if not server.is_persistent:
        yield _page(
            "SeewhyRedisNotPersistent",
            "Redis cannot write to its disk. After a restart, the API rebuilds the ledger.",
            "Look at the space on the disk of Redis, and at its log.",
        )


def _backlogs(status: LedgerStatus) -> Iterator[Alert]:
    deliveries = status.deliveries
    if status.counts.drift:
        yield _page(
            "SeewhyJobsUnaccounted",
            f"{count(abs(status.counts.drift), 'job')} are unaccounted for: not open, not ended.",
            "Look for FLUSH, DEL or EVAL in the slow log of Redis.",
        )
    if deliveries.delay_ms > DELIVERY_DELAY_MS:
        yield _ticket(
            "SeewhyDeliveriesDelayed",
            f"A webhook or a push has been due for {duration(deliveries.delay_ms)}.",
            "Check that a dispatcher runs: `python -m seewhy_api.webhooks`.",
        )
    if status.unarchived > UNARCHIVED_OUTCOMES:
        yield _ticket(
            "SeewhyOutcomesUnarchived",
            f"{status.unarchived:,} outcomes are not in the object store yet.",
            "`Cannot archive` in the log of the API names the error of the store.",
        )
    if status.dead_letters:
        yield _ticket(
            "SeewhyDeadLetters",
            f"{count(status.dead_letters, 'failed job')} "
            f"{'waits' if status.dead_letters == 1 else 'wait'} for a decision.",
            "Look at why, then retry or dismiss each: here or with `seewhy dead`.",
        )
    if deliveries.undelivered:
        yield _ticket(
            "SeewhyUndelivered",
            f"{count(deliveries.undelivered, 'webhook or push', 'webhooks and pushes')} could not "
            "be delivered.",
            "`seewhy webhooks list` names them; `seewhy webhooks redeliver` tries again.",
        )


def _by_model(status: LedgerStatus) -> dict[str, list[LaneStatus]]:
    models: dict[str, list[LaneStatus]] = {}
    for name, lane in sorted(status.lanes.items()):
        models.setdefault(model_of(name), []).append(lane)
    return models


def _jobs_wait(waiting: int, lanes: Sequence[LaneStatus], oldest_ms: int) -> str:
    if not waiting:
        return f"{count(sum(lane.open for lane in lanes), 'job')} not ended"
    verb = "waits" if waiting == 1 else "wait"
    return f"{count(waiting, 'job')} {verb}, the oldest for {duration(oldest_ms)}"


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun: `1 job`, `1,200 jobs`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def duration(ms: float) -> str:
    """Return a duration in one unit: `40 s`, `4 min`, `3 h`, `2 days`."""
    seconds = ms / 1000
    for size_s, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
