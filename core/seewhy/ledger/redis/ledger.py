"""The ledger in Redis or Valkey: every method is one Lua call."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis import Redis

from seewhy.ledger.redis.connection import connect, translated
from seewhy.ledger.redis.fields import encode_context, letters, outcome_fields, record_of
from seewhy.ledger.redis.outbox import RedisOutbox
from seewhy.ledger.redis.scripts import Scripts, pairs
from seewhy.ledger.types import (
    Claim,
    Completion,
    EpochMarker,
    IdempotencyKey,
    JobCounts,
    JobEvent,
    JobFailure,
    JobRecord,
    JobRestoration,
    LeaseStatus,
    LedgerPolicy,
    LimitScope,
    QueueLimit,
    Reservation,
    ReservationStatus,
    Submission,
    SubmissionReceipt,
    SweepResult,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState
from seewhy.settings import Settings


def open_ledger(settings: Settings) -> "RedisLedger":
    """Make the ledger that the settings name. Every process must make it of the same settings."""
    policy = LedgerPolicy(
        lease_ms=round(settings.lease_s * 1000),
        max_attempts=settings.max_attempts,
        look_ms=round(settings.sweep_interval_s * 1000),
        retention_ms=settings.retention_s * 1000,
        key_ttl_ms=min(86_400, settings.retention_s) * 1000,
        hint_every=settings.max_batch,
        lane_limit=settings.queue_limit,
        tenant_limit=settings.tenant_queue_limit,
        cache_ms=settings.effective_cache_ttl_s * 1000,
    )
    return RedisLedger(connect(settings.redis_url), policy=policy)


class RedisLedger:
    """Implements `seewhy.ledger.ports.ledger.Ledger` on one Redis or Valkey, not on a cluster."""

    def __init__(
        self, client: Redis, *, policy: LedgerPolicy | None = None, clock: str | None = None
    ) -> None:
        """Prepare the scripts; nothing is sent yet.

        `clock` is Lua that defines `now_ms()`. Only a test has reason to pass its own.
        """
        self._client: Any = client  # redis-py types every reply as all that any option allows
        self.scripts = Scripts(client, policy=policy or LedgerPolicy(), clock=clock)
        self._call = self.scripts.call
        self.outbox = RedisOutbox(self.scripts)

    def reserve(self, key: IdempotencyKey, job_id: str, *, context: RequestContext) -> Reservation:
        status, bound = self._call("reserve", _digest(key, context), key.request_digest, job_id)
        return Reservation(ReservationStatus(status), bound)

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        return bool(self._call("abandon", _digest(key, context), job_id))

    def submit(self, submission: Submission) -> SubmissionReceipt:
        key = submission.key
        created, ring, *crowd = self._call(
            "submit",
            submission.job_id,
            submission.lane,
            encode_context(submission.context),
            submission.job,
            "" if submission.deadline_ms is None else submission.deadline_ms,
            _digest(key, submission.context) if key else "",
            key.request_digest if key else "",
            submission.fingerprint or "",
            submission.webhook or "",
        )
        return SubmissionReceipt(
            submission.job_id,
            created=bool(created),
            notify=bool(ring),
            limit_reached=_crowd(*crowd),
        )

    def reached_limit(self, lane: str, *, context: RequestContext) -> QueueLimit | None:
        return _crowd(*self._call("room_left", lane, context.tenant))

    def claim(self, lanes: Sequence[str], *, owner: str, limit: int) -> list[Claim]:
        return [Claim(*row) for row in self._call("claim", owner, limit, *lanes)]

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        return [LeaseStatus(answer) for answer in self._call("extend", *_fenced(claims))]

    def complete(self, completions: Sequence[Completion]) -> list[bool]:
        flat = [(c.claim.job_id, c.claim.fence, c.result) for c in completions]
        return [bool(done) for done in self._call("complete", *_flat(flat))]

    def fail(self, failures: Sequence[JobFailure]) -> list[bool]:
        flat = [
            (
                f.claim.job_id,
                f.claim.fence,
                f.code,
                f.detail,
                "" if f.retry_in_ms is None else f.retry_in_ms,
            )
            for f in failures
        ]
        return [bool(done) for done in self._call("fail", *_flat(flat))]

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        return [bool(done) for done in self._call("release", retry_in_ms, *_fenced(claims))]

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        return [bool(done) for done in self._call("withdraw", *_fenced(claims))]

    def cancel(self, job_id: str) -> JobRecord | None:
        flat = self._call("cancel", job_id)
        return record_of(job_id, pairs(flat))

    def sweep(self, *, limit: int = 500) -> SweepResult:
        examined, *flat = self._call("sweep", limit)
        rings = pairs(flat)
        return SweepResult(examined, {lane: times for lane, times in rings.items() if times})

    def read(self, job_id: str) -> JobRecord | None:
        with translated():
            return record_of(job_id, self._client.hgetall(f"seewhy:job:{job_id}"))

    def queue_position(self, record: JobRecord) -> int | None:
        if record.state is not JobState.QUEUED:
            return None
        return self._call("position", record.job_id) or None

    def counts(self) -> JobCounts:
        non_terminal, lanes, *flat = self._call("counts")
        books = {name: int(n) for name, n in pairs(flat).items()}
        return JobCounts(
            accepted=books.get("accepted", 0),
            non_terminal=non_terminal,
            terminal={s: books[s] for s in JobState if s.terminal and s in books},
            open={lane: int(n) for lane, n in pairs(lanes).items() if int(n)},
        )

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        with translated():
            answer = self._client.xread({"seewhy:events": after}, count=1000, block=wait_ms)
        streams = answer.items() if isinstance(answer, dict) else answer
        return [
            JobEvent(position, values["id"], JobState(values["state"]))
            for _, entries in streams
            for position, values in (entries[0] if isinstance(entries[0], list) else entries)
        ]

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        return letters(self._call("letters", "unfiled", limit))

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        self._call("strike", "unfiled", *job_ids)

    def list_dead_letters(self, *, limit: int = 1000) -> list[JobRecord]:
        return letters(self._call("letters", "dead", limit))

    def dismiss(self, job_ids: Sequence[str]) -> int:
        return int(self._call("strike", "dead", *job_ids))

    def restore(self, restoration: JobRestoration) -> bool:
        lost, outcome = restoration.submission, restoration.outcome
        return bool(
            self._call(
                "restore",
                lost.job_id,
                lost.lane,
                encode_context(lost.context),
                lost.job,
                restoration.submitted_ms,
                "" if lost.deadline_ms is None else lost.deadline_ms,
                _digest(lost.key, lost.context) if lost.key else "",
                lost.key.request_digest if lost.key else "",
                lost.webhook or "",
                outcome.state if outcome else JobState.QUEUED,
                *(outcome_fields(outcome) if outcome else ()),
            )
        )

    def epoch_marker(self) -> EpochMarker:
        with translated():
            epoch, marked_by = self._client.hmget("seewhy:epoch", "epoch", "server")
            return EpochMarker(epoch, marked_by, self._server())

    def acquire_leadership(self, owner: str, *, lease_ms: int, again: bool = False) -> bool:
        return bool(self._call("lead", owner, lease_ms, "again" if again else ""))

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        with translated():
            server = self._server()
        return bool(self._call("mark", owner, epoch, server))

    def _server(self) -> str:
        return str(self._client.info("server")["run_id"])

    def check(self) -> None:
        with translated():
            self._client.set("seewhy:check", "1", px=1000)


def _digest(key: IdempotencyKey, context: RequestContext) -> str:
    return hashlib.sha256(f"{context.tenant}/{key.key}".encode()).hexdigest()


def _crowd(limit: str, retry_in_ms: int) -> QueueLimit | None:
    return QueueLimit(LimitScope(limit), retry_in_ms) if limit else None


def _flat(rows: Sequence[tuple[str | int, ...]]) -> list[str | int]:
    return [value for row in rows for value in row]


def _fenced(claims: Sequence[Claim]) -> list[str | int]:
    return _flat([(claim.job_id, claim.fence) for claim in claims])
