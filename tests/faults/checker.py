"""Checks accepted submissions against their outcomes, like Jepsen's total-queue checker.

The checker compares the submission log, the ledger's records and events, the object store and the
samples taken during the run, and reports every anomaly.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from faults.sampler import Sample
from faults.submitter import Submission
from seewhy.errors import ObjectNotFound
from seewhy.ledger.types import JobCounts, JobEvent, JobRecord
from seewhy.ledger.types.policy import WORKER_LOST
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result

EXHAUSTING = {"store_unavailable", "out_of_memory"}
"""Error codes that are legitimate only on a job's last attempt. Crashes do not use up attempts."""


class Anomaly(StrEnum):
    """The kinds of violations."""

    LOST = "lost"
    DUPLICATED = "two outcomes"
    NO_TERMINAL_EVENT = "no terminal event"
    CHANGED = "outcome changed"
    UNKNOWN_JOB = "job without a submission"
    KEY_REUSED = "one key, two jobs"
    TOO_MANY_ATTEMPTS = "too many attempts"
    UNCHARGED = "ran without a charged attempt"
    FAILED_EARLY = "failed before the last attempt"
    INNOCENT = "an innocent job failed"
    UNEXPECTED_SUCCESS = "succeeded instead of failing"
    STALE_FENCE = "finished under a stale fence"
    BAD_RESULT = "result missing or corrupt"
    WRONG_IMAGE = "result of another image"
    NOT_DUE = "I1: not in {seewhy}:due"
    DRIFT = "I5: job totals do not balance"
    MISCOUNTED = "I7: open jobs miscounted"
    QUEUE_OVER_LIMIT = "I7: queue above its limit"


@dataclass(frozen=True, slots=True)
class Violation:
    """An anomaly, the job, key, lane or sample concerned, and details."""

    anomaly: Anomaly
    subject: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything recorded during a run. `fetch` raises `ObjectNotFound`."""

    submissions: Sequence[Submission]
    keys: Sequence[str]
    """Every Idempotency-Key that was sent, accepted or not."""
    records: Mapping[str, JobRecord]
    """Every job in the ledger, by id."""
    key_of: Mapping[str, str | None]
    """Job id → the Idempotency-Key in its manifest."""
    events: Sequence[JobEvent]
    counts: JobCounts
    samples: Sequence[Sample]
    fetch: Callable[[str], bytes]
    max_attempts: int
    max_exposed_crashes: int
    queue_limit: int = 1_000_000
    map_of: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of an image → SHA-256 of its expected map."""
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    """Idempotency-Key → the error code that its job must fail with."""


@dataclass(frozen=True)
class Report:
    """The checker's findings."""

    accepted: int
    outcomes: Mapping[JobState, int]
    violations: tuple[Violation, ...]
    samples: int

    @property
    def clean(self) -> bool:
        """Whether there are no violations."""
        return not self.violations

    def count(self, *anomalies: Anomaly) -> int:
        """Count the violations of these kinds."""
        return sum(violation.anomaly in anomalies for violation in self.violations)

    def __str__(self) -> str:
        lines = [f"{v.anomaly}: {v.subject} {v.detail}".rstrip() for v in self.violations]
        outcomes = ", ".join(f"{count} {state}" for state, count in self.outcomes.items())
        return "\n".join([f"{self.accepted} accepted: {outcomes or 'no outcomes'}", *lines])


def check(history: History) -> Report:
    """Check a history."""
    checks = (_lost, _events, _unknown_jobs, _attempts, _results, _samples)
    accepted = {submission.job_id for submission in history.submissions}
    states = [r.state for job_id, r in history.records.items() if job_id in accepted]
    return Report(
        accepted=len(accepted),
        outcomes=Counter(states),
        violations=tuple(violation for each in checks for violation in each(history)),
        samples=len(history.samples),
    )


def _lost(history: History) -> Iterator[Violation]:
    for submission in history.submissions:
        record = history.records.get(submission.job_id)
        if record is None:
            yield Violation(Anomaly.LOST, submission.job_id, "not in the ledger")
        elif not record.state.terminal:
            yield Violation(Anomaly.LOST, submission.job_id, f"still {record.state}")
    if history.counts.drift:
        yield Violation(Anomaly.DRIFT, "final counts", str(history.counts))


def _events(history: History) -> Iterator[Violation]:
    terminal_events: dict[str, list[JobState]] = {}
    for event in history.events:
        if event.state.terminal:
            terminal_events.setdefault(event.job_id, []).append(event.state)
    for job_id, record in history.records.items():
        states = terminal_events.get(job_id, [])
        if len(states) > 1:
            yield Violation(Anomaly.DUPLICATED, job_id, ", ".join(states))
        elif record.state.terminal and not states:
            yield Violation(Anomaly.NO_TERMINAL_EVENT, job_id)
        elif states and states[0] is not record.state:
            yield Violation(Anomaly.CHANGED, job_id, f"{states[0]}, then {record.state}")
    for job_id in terminal_events.keys() - history.records.keys():
        yield Violation(Anomaly.UNKNOWN_JOB, job_id, "has an event and no record")


def _unknown_jobs(history: History) -> Iterator[Violation]:
    accepted = {submission.job_id for submission in history.submissions}
    accepted_keys = {submission.key for submission in history.submissions}
    jobs: dict[str, set[str]] = {}
    for submission in history.submissions:
        jobs.setdefault(submission.key, set()).add(submission.job_id)
    for job_id in history.records.keys() - accepted:
        key = history.key_of.get(job_id)
        if key in accepted_keys and key is not None:
            jobs[key].add(job_id)
        elif key not in history.keys:
            yield Violation(Anomaly.UNKNOWN_JOB, job_id, f"key {key}")
    for key, ids in jobs.items():
        if len(ids) > 1:
            yield Violation(Anomaly.KEY_REUSED, key, ", ".join(sorted(ids)))


def _attempts(history: History) -> Iterator[Violation]:
    for job_id, record in history.records.items():
        charged = record.attempts - record.crashes
        evidence = record.exposed_crashes
        if charged > history.max_attempts or evidence > history.max_exposed_crashes:
            detail = f"{charged} attempts, {evidence} exposed crashes"
            yield Violation(Anomaly.TOO_MANY_ATTEMPTS, job_id, detail)
        expected = history.expected_failures.get(history.key_of.get(job_id) or "")
        if record.state is JobState.FAILED:
            yield from _failure(history, record, expected)
        elif record.state is JobState.SUCCEEDED:
            # A success restored from the store has no start time and no attempts.
            if charged < 1 and record.started_ms is not None and not record.cached:
                yield Violation(Anomaly.UNCHARGED, job_id)
            if expected:
                yield Violation(Anomaly.UNEXPECTED_SUCCESS, job_id, f"expected {expected}")


def _failure(history: History, record: JobRecord, expected: str | None) -> Iterator[Violation]:
    code, charged = record.error_code, record.attempts - record.crashes
    detail = f"{code} after {charged} attempts and {record.crashes} crashes"
    if code == WORKER_LOST and expected != WORKER_LOST:
        yield Violation(Anomaly.INNOCENT, record.job_id, detail)
    elif code == WORKER_LOST:
        if record.exposed_crashes < history.max_exposed_crashes:
            yield Violation(Anomaly.FAILED_EARLY, record.job_id, detail)
    elif code != expected and (code not in EXHAUSTING or charged < history.max_attempts):
        yield Violation(Anomaly.FAILED_EARLY, record.job_id, detail)


def _results(history: History) -> Iterator[Violation]:
    images = {submission.job_id: submission.image_digest for submission in history.submissions}
    for job_id, record in history.records.items():
        if record.state is not JobState.SUCCEEDED:
            continue
        try:
            digests = _verified_digests(job_id, record, history.fetch)
        except (ObjectNotFound, ValueError) as error:
            yield Violation(Anomaly.BAD_RESULT, job_id, str(error))
            continue
        # A success restored from the store has a new fence and no start time.
        if record.started_ms is not None and f"/{record.fence}/" not in (record.result or ""):
            yield Violation(Anomaly.STALE_FENCE, job_id, f"not by claim {record.fence}")
        expected = history.map_of.get(images.get(job_id, ""))
        if expected is not None and digests["map"] != expected:
            yield Violation(Anomaly.WRONG_IMAGE, job_id)


def _verified_digests(
    job_id: str, record: JobRecord, fetch: Callable[[str], bytes]
) -> Mapping[str, str]:
    """Return a result's digests after checking its objects against them.

    Raises `ObjectNotFound` when an object is missing and `ValueError` when one differs.
    """
    result = Result.model_validate_json(record.result or "")
    for name, key in result.objects.items():
        body = fetch(key)
        if name == "result":
            if json.loads(body)["job_id"] != job_id:
                raise ValueError(f"{key} belongs to another job")
        elif hashlib.sha256(body).hexdigest() != result.digests[name]:
            raise ValueError(f"{key} does not match its digest")
    return result.digests


def _samples(history: History) -> Iterator[Violation]:
    ended: dict[str, str] = {}
    for number, sample in enumerate(history.samples):
        for job_id in sample.not_due:
            yield Violation(Anomaly.NOT_DUE, job_id, f"in sample {number}")
        if sample.drift:
            yield Violation(Anomaly.DRIFT, f"sample {number}", f"by {sample.drift}")
        if sample.miscounted:
            yield Violation(Anomaly.MISCOUNTED, f"sample {number}", f"by {sample.miscounted}")
        for lane, count in sample.open_jobs.items():
            if count > history.queue_limit:
                yield Violation(Anomaly.QUEUE_OVER_LIMIT, lane, f"{count} jobs in sample {number}")
        for job_id, state in ended.items():
            now = sample.states.get(job_id)
            if now != state and (sample.is_complete or now is not None):
                yield Violation(Anomaly.CHANGED, job_id, f"{state}, then {now}")
        ended |= {j: s for j, s in sample.states.items() if JobState(s).terminal}
