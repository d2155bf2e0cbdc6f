"""The judge: what was promised against what came of it, after Jepsen's total queue.

It reads the submitter's log, the ledger's records and events, the object store and the samples
taken on the way, and names everything that should not be.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from faults.sampler import Sample
from faults.submitter import Promise
from seewhy.errors import ObjectNotFound
from seewhy.ledger.types import JobCounts, JobEvent, JobRecord
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result

EXHAUSTING = {"worker_lost", "store_unavailable", "out_of_memory"}
"""What a job may fail of, and only on its last attempt."""


class Wrong(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    DUPLICATED = "two outcomes"
    UNTOLD = "no terminal event"
    CHANGED = "outcome changed"
    PHANTOM = "nobody was promised this"
    SPLIT = "one key, two jobs"
    OVERRUN = "too many attempts"
    GAVE_UP = "failed before its time"
    SPARED = "succeeded, and should have failed"
    STALE = "finished by a claim that was lost"
    BAD_RESULT = "result missing or not the one made"
    WRONG_PICTURE = "result of another picture"
    UNWATCHED = "I1: not in seewhy:due"
    DRIFT = "I5: the books do not balance"
    MISCOUNTED = "I7: the open jobs are miscounted"
    OVERFULL = "I7: a queue above its limit"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong, with whom, and how."""

    wrong: Wrong
    subject: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class History:
    """All that is known after a run. `fetch` raises `ObjectAbsent`."""

    promises: Sequence[Promise]
    keys: Sequence[str]
    """Every Idempotency-Key that was ever sent, promised or not."""
    records: Mapping[str, JobRecord]
    """Every job in the ledger."""
    key_of: Mapping[str, str | None]
    """Job id → the Idempotency-Key in its manifest."""
    events: Sequence[JobEvent]
    counts: JobCounts
    samples: Sequence[Sample]
    fetch: Callable[[str], bytes]
    max_attempts: int
    queue_limit: int = 1_000_000
    map_of: Mapping[str, str] = field(default_factory=dict)
    """Picture → the SHA-256 of the map it must have."""
    doomed: Mapping[str, str] = field(default_factory=dict)
    """Idempotency-Key → the code that its job has to fail with."""


@dataclass(frozen=True)
class Report:
    """The verdict."""

    promised: int
    outcomes: Mapping[JobState, int]
    violations: tuple[Violation, ...]
    samples: int

    @property
    def clean(self) -> bool:
        return not self.violations

    def count(self, *wrongs: Wrong) -> int:
        """How many violations are of these kinds."""
        return sum(violation.wrong in wrongs for violation in self.violations)

    def __str__(self) -> str:
        lines = [f"{v.wrong}: {v.subject} {v.detail}".rstrip() for v in self.violations]
        told = ", ".join(f"{count} {state}" for state, count in self.outcomes.items())
        return "\n".join([f"{self.promised} promised: {told or 'nothing'}", *lines])


def check(history: History) -> Report:
    """Judge a history."""
    steps = (_lost, _events, _phantoms, _attempts, _results, _samples)
    promised = {promise.job_id for promise in history.promises}
    found = [r.state for job_id, r in history.records.items() if job_id in promised]
    return Report(
        promised=len(promised),
        outcomes=Counter(found),
        violations=tuple(violation for step in steps for violation in step(history)),
        samples=len(history.samples),
    )


def _lost(history: History) -> Iterator[Violation]:
    for promise in history.promises:
        record = history.records.get(promise.job_id)
        if record is None:
            yield Violation(Wrong.LOST, promise.job_id, "unknown to the ledger")
        elif not record.state.terminal:
            yield Violation(Wrong.LOST, promise.job_id, f"still {record.state}")
    if history.counts.drift:
        yield Violation(Wrong.DRIFT, "the end", str(history.counts))


def _events(history: History) -> Iterator[Violation]:
    ends: dict[str, list[JobState]] = {}
    for event in history.events:
        if event.state.terminal:
            ends.setdefault(event.job_id, []).append(event.state)
    for job_id, record in history.records.items():
        told = ends.get(job_id, [])
        if len(told) > 1:
            yield Violation(Wrong.DUPLICATED, job_id, ", ".join(told))
        elif record.state.terminal and not told:
            yield Violation(Wrong.UNTOLD, job_id)
        elif told and told[0] is not record.state:
            yield Violation(Wrong.CHANGED, job_id, f"{told[0]}, then {record.state}")
    for job_id in ends.keys() - history.records.keys():
        yield Violation(Wrong.PHANTOM, job_id, "has an event and no record")


def _phantoms(history: History) -> Iterator[Violation]:
    promised = {promise.job_id for promise in history.promises}
    kept = {promise.key for promise in history.promises}
    jobs: dict[str, set[str]] = {}
    for promise in history.promises:
        jobs.setdefault(promise.key, set()).add(promise.job_id)
    for job_id in history.records.keys() - promised:
        key = history.key_of.get(job_id)
        if key in kept and key is not None:
            jobs[key].add(job_id)
        elif key not in history.keys:
            yield Violation(Wrong.PHANTOM, job_id, f"key {key}")
    for key, ids in jobs.items():
        if len(ids) > 1:
            yield Violation(Wrong.SPLIT, key, ", ".join(sorted(ids)))


def _attempts(history: History) -> Iterator[Violation]:
    for job_id, record in history.records.items():
        if record.attempts > history.max_attempts:
            yield Violation(Wrong.OVERRUN, job_id, f"{record.attempts} attempts")
        doom = history.doomed.get(history.key_of.get(job_id) or "")
        if doom and record.state is JobState.SUCCEEDED:
            yield Violation(Wrong.SPARED, job_id, f"it was to be {doom}")
        exhausted = record.error_code in EXHAUSTING and record.attempts == history.max_attempts
        guilty = record.error_code == doom and doom not in EXHAUSTING
        if record.state is JobState.FAILED and not (exhausted or guilty):
            yield Violation(
                Wrong.GAVE_UP, job_id, f"{record.error_code} on attempt {record.attempts}"
            )


def _results(history: History) -> Iterator[Violation]:
    pictures = {promise.job_id: promise.picture for promise in history.promises}
    for job_id, record in history.records.items():
        if record.state is not JobState.SUCCEEDED:
            continue
        try:
            digests = _verified(job_id, record, history.fetch)
        except (ObjectNotFound, ValueError) as error:
            yield Violation(Wrong.BAD_RESULT, job_id, str(error))
            continue
        # A success brought back from the store has a fence of its own, and was not started since.
        if record.started_ms is not None and f"/{record.fence}/" not in (record.result or ""):
            yield Violation(Wrong.STALE, job_id, f"not by claim {record.fence}")
        wanted = history.map_of.get(pictures.get(job_id, ""))
        if wanted is not None and digests["map"] != wanted:
            yield Violation(Wrong.WRONG_PICTURE, job_id)


def _verified(job_id: str, record: JobRecord, fetch: Callable[[str], bytes]) -> Mapping[str, str]:
    """Return the digests of a result, each checked; raise `ValueError` or `ObjectAbsent`."""
    result = Result.model_validate_json(record.result or "")
    for name, key in result.objects.items():
        body = fetch(key)
        if name == "result":
            if json.loads(body)["job_id"] != job_id:
                raise ValueError(f"{key} is of another job")
        elif hashlib.sha256(body).hexdigest() != result.digests[name]:
            raise ValueError(f"{key} is not what was made")
    return result.digests


def _samples(history: History) -> Iterator[Violation]:
    ended: dict[str, str] = {}
    for number, sample in enumerate(history.samples):
        for job_id in sample.unwatched:
            yield Violation(Wrong.UNWATCHED, job_id, f"in sample {number}")
        if sample.drift:
            yield Violation(Wrong.DRIFT, f"sample {number}", f"by {sample.drift}")
        if sample.miscounted:
            yield Violation(Wrong.MISCOUNTED, f"sample {number}", f"by {sample.miscounted}")
        for lane, count in sample.open.items():
            if count > history.queue_limit:
                yield Violation(Wrong.OVERFULL, lane, f"{count} jobs in sample {number}")
        for job_id, state in ended.items():
            now = sample.states.get(job_id)
            if now != state and (sample.whole or now is not None):
                yield Violation(Wrong.CHANGED, job_id, f"{state}, then {now}")
        ended |= {j: s for j, s in sample.states.items() if JobState(s).terminal}
