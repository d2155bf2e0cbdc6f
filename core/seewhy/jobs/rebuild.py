"""Rebuild the ledger from the object store after Redis has lost jobs.

Each manifest whose job is not in the ledger becomes a job again: finished if the store has its
outcome or result, queued otherwise. A job that is open although the store has its outcome is
finished. A batch that had ended is restored as it was. Any other is accepted again: its jobs that
had ended are restored, and the acceptor submits the others. Repeated and concurrent rebuilds change
nothing.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

from seewhy.errors import ObjectNotFound
from seewhy.ids import job_time
from seewhy.jobs.archiver import parse_batch_outcome
from seewhy.jobs.batch_documents import BatchDocuments, StoredItem
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.stored_outcomes import read_archived_outcome, read_success
from seewhy.ledger.ports.recovery import RecoveryLedger
from seewhy.ledger.types import (
    BatchRestoration,
    JobOutcome,
    JobRecord,
    JobRestoration,
    Submission,
)
from seewhy.schemas.job import JobState
from seewhy.storage.keys import (
    JobObject,
    hour_prefix,
    manifest_key,
    outcome_key,
    parse_job_key,
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
    """A job with a manifest in the store, or an item of a batch."""

    job_id: str
    archived: bool
    item: Submission | None = None


@dataclass(slots=True)
class _Folder:
    """What the store has of the jobs and batches of one hour."""

    jobs: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)
    batches: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    chunks: dict[str, list[int]] = field(default_factory=dict)
    """Batch → the numbers of its chunks."""
    unknown: int = 0

    def candidates(self) -> list[_Candidate]:
        """List the jobs with a manifest, the oldest first."""
        return [_Candidate(job_id, job_id in self.outcomes) for job_id in sorted(self.jobs)]

    def candidates_of(self, items: Iterable[StoredItem]) -> list[_Candidate]:
        """List the jobs of a chunk of a batch."""
        jobs = (item.submission for item in items if item.submission)
        return [_Candidate(job.job_id, job.job_id in self.outcomes, job) for job in jobs]


class Rebuilder:
    """Restores the jobs that have a manifest in the store and are missing in the ledger."""

    def __init__(self, *, ledger: RecoveryLedger, store: ObjectStore, retention_s: int) -> None:
        """Look back at most `retention_s`, the time for which jobs are kept."""
        self._ledger = ledger
        self._store = store
        self._documents = BatchDocuments(store)
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
            for prefix in folders:
                folder = _read_folder(self._store.list_keys(prefix))
                progress.seen += folder.unknown
                progress.unreadable += folder.unknown
                jobs = folder.candidates()
                steps = (jobs[n : n + JOBS_PER_STEP] for n in range(0, len(jobs), JOBS_PER_STEP))
                for step in chain(steps, self._restore_batches(folder, progress)):
                    states = list(threads.map(self._restore, step))
                    progress.seen += len(step)
                    progress.unreadable += states.count(None)
                    progress.restored.update(s for s in states if isinstance(s, JobState))
                    yield progress
                progress.hours_done += 1
                yield progress

    def _restore_batches(
        self, folder: _Folder, progress: RebuildProgress
    ) -> Iterator[list[_Candidate]]:
        """Restore the batches of a folder; yield the items of each chunk after its batch."""
        for batch_id in sorted(folder.batches):
            created_ms = round(job_time(batch_id).timestamp() * 1000)
            try:
                submission = self._documents.read_manifest(batch_id).submission
                outcome = None
                if batch_id in folder.outcomes:
                    outcome = parse_batch_outcome(self._store.get(outcome_key(batch_id)))
                restoration = BatchRestoration(
                    submission,
                    created_ms,
                    cancel_requested=batch_id in folder.cancelled,
                    outcome=outcome,
                )
                self._ledger.batches.restore(restoration)
                for number in sorted(folder.chunks.get(batch_id, ())):
                    items = self._documents.read_chunk(batch_id, number).items
                    yield folder.candidates_of(items)
            except ObjectNotFound:
                continue  # withdrawn, so never accepted
            except ValueError as error:
                _log.warning("Skipping batch %s: cannot read its objects: %s", batch_id, error)
                progress.unreadable += 1

    def _restore(self, candidate: _Candidate) -> JobState | bool | None:
        """Restore one job and return its state; False if not needed, None if unreadable."""
        try:
            if record := self._ledger.read(candidate.job_id):
                return self._restore_outcome(candidate, record)
            return self._restore_job(candidate)
        except ObjectNotFound:
            return False  # withdrawn, so never accepted
        except ValueError as error:
            _log.warning("Skipping job %s: cannot read its objects: %s", candidate.job_id, error)
            return None

    def _restore_job(self, candidate: _Candidate) -> JobState | bool:
        """Restore a job that the ledger does not have."""
        job_id = candidate.job_id
        # The submission is the earliest start of the retention.
        submitted_ms = round(job_time(job_id).timestamp() * 1000)
        submission = candidate.item or self._read_submission(job_id)
        outcome = self._read_outcome(candidate, finished_ms=submitted_ms)
        if candidate.item and outcome is None:
            return False  # the acceptor submits it again
        restored = self._ledger.restore(JobRestoration(submission, submitted_ms, outcome))
        return restored and (outcome.state if outcome else JobState.QUEUED)

    def _restore_outcome(self, candidate: _Candidate, record: JobRecord) -> JobState | bool:
        """Finish a job that is open although the store has its outcome.

        A job that no claim is known of costs no request: the worker that claims it looks for its
        result, and there may be a million of them.
        """
        if record.state.terminal or not (candidate.archived or record.attempts):
            return False
        now_ms = round(datetime.now(UTC).timestamp() * 1000)
        outcome = self._read_outcome(candidate, finished_ms=now_ms)
        if outcome is None or not self._ledger.restore_outcome(candidate.job_id, outcome):
            return False
        return outcome.state

    def _read_submission(self, job_id: str) -> Submission:
        return Manifest.model_validate_json(self._store.get(manifest_key(job_id))).submission

    def _read_outcome(self, candidate: _Candidate, *, finished_ms: int) -> JobOutcome | None:
        """Read the archived outcome or the result; None if neither exists."""
        if candidate.archived:
            return read_archived_outcome(self._store, candidate.job_id)
        return read_success(self._store, candidate.job_id, finished_ms=finished_ms)


def _hour_folders(hours: int) -> list[str]:
    """List the folders of the last hours, newest first, and of the next hour: clocks differ."""
    now = datetime.now(UTC)
    return [hour_prefix(now - timedelta(hours=ago)) for ago in range(-1, hours + 1)]


def _read_folder(keys: Iterable[str]) -> _Folder:
    """Sort the keys of one hour by what they are."""
    folder = _Folder()
    by_kind = {
        JobObject.MANIFEST: folder.jobs,
        JobObject.OUTCOME: folder.outcomes,
        JobObject.BATCH: folder.batches,
        JobObject.CANCELLATION: folder.cancelled,
    }
    for key in keys:
        parsed = parse_job_key(key)
        if parsed is None:
            _log.warning("Skipping %s: not the key of a job or a batch", key)
            folder.unknown += 1
        elif parsed.chunk is not None:
            folder.chunks.setdefault(parsed.job_id, []).append(parsed.chunk)
        else:
            by_kind[parsed.kind].add(parsed.job_id)
    return folder
