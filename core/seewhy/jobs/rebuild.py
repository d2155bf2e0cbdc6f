"""Rebuild the ledger from the object store after Redis has lost jobs.

Each manifest whose job is not in the ledger becomes a job again: finished if the store has its
outcome or result, queued otherwise. Repeated and concurrent rebuilds change nothing.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from seewhy.errors import ObjectNotFound
from seewhy.ids import job_time
from seewhy.jobs.archiver import parse_outcome
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.ports.recovery import RecoveryLedger
from seewhy.ledger.types import JobOutcome, JobRestoration
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.storage.keys import (
    RESULT_DOCUMENT,
    JobObject,
    hour_prefix,
    manifest_key,
    outcome_key,
    parse_job_key,
    parse_result_key,
    result_key,
    result_prefix,
)
from seewhy.storage.port import ObjectStore

JOBS_PER_STEP = 100
THREADS = 8

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RebuildProgress:
    """The totals of a rebuild so far."""

    hours: int
    hours_done: int = 0
    seen: int = 0
    """Manifests, whether or not their jobs were restored."""
    unreadable: int = 0
    restored: Counter[JobState] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A job with a manifest in the store."""

    job_id: str
    archived: bool


class Rebuilder:
    """Restores the jobs that have a manifest in the store and are missing in the ledger."""

    def __init__(self, *, ledger: RecoveryLedger, store: ObjectStore, retention_s: int) -> None:
        """Look back at most `retention_s`, the time for which jobs are kept."""
        self._ledger = ledger
        self._store = store
        self._retention_s = retention_s

    def rebuild(self, *, hours: int | None = None) -> Iterator[RebuildProgress]:
        """Restore the jobs of the last `hours`, by default of the retention; newest hour first.

        Yields the totals after each step of at most `JOBS_PER_STEP` jobs; closing the iterator
        stops the rebuild. Raises `Unavailable`; the jobs restored until then stay.
        """
        retention_hours = math.ceil(self._retention_s / 3600)
        folders = _hour_folders(retention_hours if hours is None else min(hours, retention_hours))
        progress = RebuildProgress(hours=len(folders))
        with ThreadPoolExecutor(THREADS, thread_name_prefix="rebuild") as threads:
            for folder in folders:
                candidates, unknown = _candidates(self._store.list_keys(folder))
                progress.seen += unknown
                progress.unreadable += unknown
                for start in range(0, len(candidates), JOBS_PER_STEP):
                    step = candidates[start : start + JOBS_PER_STEP]
                    states = list(threads.map(self._restore, step))
                    progress.seen += len(step)
                    progress.unreadable += states.count(None)
                    progress.restored.update(s for s in states if isinstance(s, JobState))
                    yield progress
                progress.hours_done += 1
                yield progress

    def _restore(self, candidate: _Candidate) -> JobState | bool | None:
        """Restore one job and return its state; False if not needed, None if unreadable."""
        job_id = candidate.job_id
        if self._ledger.read(job_id):
            return False
        submitted_ms = round(job_time(job_id).timestamp() * 1000)
        try:
            manifest = Manifest.model_validate_json(self._store.get(manifest_key(job_id)))
            outcome = self._read_outcome(candidate, submitted_ms)
        except ObjectNotFound:
            return False  # withdrawn, so never accepted
        except ValueError as error:
            _log.warning("Skipping job %s: cannot read its objects: %s", job_id, error)
            return None
        restored = self._ledger.restore(JobRestoration(manifest.submission, submitted_ms, outcome))
        return restored and (outcome.state if outcome else JobState.QUEUED)

    def _read_outcome(self, candidate: _Candidate, submitted_ms: int) -> JobOutcome | None:
        """Read the archived outcome or the result of the highest fence; None if neither exists."""
        job_id = candidate.job_id
        if candidate.archived:
            return parse_outcome(self._store.get(outcome_key(job_id)))
        parsed = (parse_result_key(key) for key in self._store.list_keys(result_prefix(job_id)))
        fences = [key.fence for key in parsed if key and key.name == RESULT_DOCUMENT]
        if not fences:
            return None
        body = self._store.get(result_key(job_id, max(fences), RESULT_DOCUMENT))
        document = json.loads(body)
        result = Result.model_validate({name: document[name] for name in Result.model_fields})
        # The store has no finish time; the submission is the earliest start of the retention.
        return JobOutcome(
            state=JobState.SUCCEEDED,
            finished_ms=submitted_ms,
            attempts=document["attempt"],
            result=result.model_dump_json(),
        )


def _hour_folders(hours: int) -> list[str]:
    """List the folders of the last hours, newest first, and of the next hour: clocks differ."""
    now = datetime.now(UTC)
    return [hour_prefix(now - timedelta(hours=ago)) for ago in range(-1, hours + 1)]


def _candidates(keys: Iterable[str]) -> tuple[list[_Candidate], int]:
    """Return the jobs with a manifest, oldest first, and the number of unknown keys."""
    manifests, outcomes, unknown = set[str](), set[str](), 0
    for key in keys:
        parsed = parse_job_key(key)
        if parsed is None:
            _log.warning("Skipping %s: not the key of a manifest or an outcome", key)
            unknown += 1
        elif parsed.kind is JobObject.MANIFEST:
            manifests.add(parsed.job_id)
        else:
            outcomes.add(parsed.job_id)
    return [_Candidate(job_id, job_id in outcomes) for job_id in sorted(manifests)], unknown
