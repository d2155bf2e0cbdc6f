"""Rebuilding the ledger from the object store, after Redis has lost jobs.

Every manifest whose id the ledger does not know becomes a job again: finished as it was where the
store knows its outcome, queued otherwise. Doing so twice, or by two at once, changes nothing.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from seewhy.errors import ObjectNotFound
from seewhy.ids import job_time
from seewhy.jobs.archiver import read_outcome
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobOutcome, JobRestoration
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.storage.keys import OUTCOME_SUFFIX, hour_prefix, outcome_key, result_prefix
from seewhy.storage.port import ObjectStore

AT_ONCE = 100
THREADS = 8

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RebuildProgress:
    """What has been done so far."""

    hours: int
    hours_done: int = 0
    seen: int = 0
    unreadable: int = 0
    restored: Counter[JobState] = field(default_factory=Counter)


class Rebuilder:
    """Compares the manifests of a store with a ledger, and restores what is missing."""

    def __init__(self, *, ledger: Ledger, store: ObjectStore, retention_s: int) -> None:
        """Look no further back than `retention_s`: what is older is forgotten anyway."""
        self._ledger = ledger
        self._store = store
        self._retention_s = retention_s

    def rebuild(self, *, hours: int | None = None) -> Iterator[RebuildProgress]:
        """Restore the jobs of the last `hours`, or of the retention, the newest first.

        Yields the totals after each step of at most `AT_ONCE` jobs; whoever stops reading stops
        the work. Raises `Unavailable`; what was restored until then stays.
        """
        kept = math.ceil(self._retention_s / 3600)
        folders = _folders(kept if hours is None else min(hours, kept))
        so_far = RebuildProgress(hours=len(folders))
        with ThreadPoolExecutor(THREADS, thread_name_prefix="rebuild") as threads:
            for folder in folders:
                keys = set(self._store.keys(folder))
                manifests = sorted(key for key in keys if not key.endswith(OUTCOME_SUFFIX))
                for start in range(0, len(manifests), AT_ONCE):
                    step = manifests[start : start + AT_ONCE]
                    states = list(threads.map(partial(self._restore, beside=keys), step))
                    so_far.seen += len(step)
                    so_far.unreadable += states.count(None)
                    so_far.restored.update(state for state in states if isinstance(state, JobState))
                    yield so_far
                so_far.hours_done += 1
                yield so_far

    def _restore(self, key: str, *, beside: set[str]) -> JobState | bool | None:
        """Restore one job and return its state; False when there was no need, None: no use."""
        job_id = key.rpartition("/")[2].removesuffix(".json")
        try:
            submitted_ms = round(job_time(job_id).timestamp() * 1000)
            if self._ledger.read(job_id):
                return False
            manifest = Manifest.model_validate_json(self._store.get(key))
            outcome = self._outcome(job_id, submitted_ms, filed=outcome_key(job_id) in beside)
        except ObjectNotFound:
            return False  # it was withdrawn: nobody was promised anything
        except ValueError as error:
            _log.warning("%s cannot be read and is passed over: %s", key, error)
            return None
        entered = self._ledger.restore(JobRestoration(manifest.submission, submitted_ms, outcome))
        return entered and (outcome.state if outcome else JobState.QUEUED)

    def _outcome(self, job_id: str, submitted_ms: int, *, filed: bool) -> JobOutcome | None:
        if filed:
            return read_outcome(self._store.get(outcome_key(job_id)))
        found = [key for key in self._store.keys(result_prefix(job_id)) if _fence(key) is not None]
        if not found:
            return None
        whole = json.loads(self._store.get(max(found, key=lambda key: _fence(key) or 0)))
        result = Result.model_validate({name: whole[name] for name in Result.model_fields})
        # The store does not say when it finished; its retention counts from the earliest moment.
        return JobOutcome(
            state=JobState.SUCCEEDED,
            finished_ms=submitted_ms,
            attempts=whole["attempt"],
            result=result.model_dump_json(),
        )


def _folders(hours: int) -> list[str]:
    """List the folders of the last hours and, as clocks differ, of the next."""
    now = datetime.now(UTC)
    return [hour_prefix(now - timedelta(hours=ago)) for ago in range(-1, hours + 1)]


def _fence(key: str) -> int | None:
    """Tell under which claim a `result.json` was written; None for any other object."""
    *_, fence, name = key.split("/")
    return int(fence) if name == "result.json" and fence.isdecimal() else None
