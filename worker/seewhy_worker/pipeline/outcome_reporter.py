"""Reporting: tells the ledger what became of claims, also through a short outage of it."""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.errors import (
    ExplainerFailed,
    LedgerUnavailable,
    OutOfMemory,
    SeewhyError,
    StoreUnavailable,
)
from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.types import Claim, Completion, FinishReceipt, JobFailure
from seewhy.storage.port import ObjectStore
from seewhy_worker.pipeline import metrics
from seewhy_worker.pipeline.job_logs import about_job
from seewhy_worker.pipeline.job_traces import JobTraces

Output = TypeVar("Output")

RETRY_BASE_MS = 500
RETRY_LIMIT_MS = 30_000
POSTPONED_MS = 2_000
REPORT_RETRY_S = 0.5

_log = logging.getLogger(__name__)


class OutcomeReporter:
    """Reports outcomes to the ledger. Thread-safe."""

    def __init__(
        self,
        *,
        ledger: ClaimLedger,
        wakeups: WakeupPublisher,
        store: ObjectStore,
        timeout_s: float,
        traces: JobTraces,
    ) -> None:
        """While the ledger is unavailable, report again for `timeout_s`."""
        self._ledger = ledger
        self._wakeups = wakeups
        self._store = store
        self._timeout_s = timeout_s
        self._traces = traces

    def report(self, completions: list[Completion], failures: list[JobFailure]) -> bool:
        """Report outcomes; return False when the object store is unavailable.

        Jobs that failed because of an outage of the store are released instead.
        """
        outage = self._store_outage_failures(failures)
        failed = [failure for failure in failures if failure not in outage]
        if completions:
            receipt = self._retry(lambda: self._ledger.complete(completions))
            self._after("succeeded", [done.claim for done in completions], receipt)
        for failure in failed:
            with about_job(failure.claim):
                _log.warning(
                    "Job %s failed: %s: %s", failure.claim.job_id, failure.code, failure.detail
                )
            metrics.FAILURES.labels(failure.code).inc()
        if failed:
            receipt = self._retry(lambda: self._ledger.fail(failed))
            self._after("failed", [failure.claim for failure in failed], receipt)
        if outage:
            self.postpone([failure.claim for failure in outage], outage[0].detail)
        return not outage

    def postpone(self, claims: Sequence[Claim], reason: object) -> None:
        """Release jobs whose attempts failed through no fault of theirs."""
        _log.warning("Released %d jobs for %d ms: %s", len(claims), POSTPONED_MS, reason)
        applied = self._retry(lambda: self._ledger.release(claims, retry_in_ms=POSTPONED_MS))
        self._observe("released", claims, applied or [])

    def release(self, claims: Sequence[Claim]) -> None:
        """Return jobs to their place in the queue, uncharged."""
        applied = self._retry(lambda: self._ledger.release(claims))
        self._observe("released", claims, applied or [])

    def cancel(self, claims: Sequence[Claim]) -> None:
        """Confirm the cancellation of jobs."""
        applied = self._retry(lambda: self._ledger.cancel_claimed(claims))
        self._observe("cancelled", claims, applied or [])

    def _store_outage_failures(self, failures: list[JobFailure]) -> list[JobFailure]:
        """Return the failures caused by an outage of the whole store: they cost no attempt."""
        store_failures = [f for f in failures if f.code == StoreUnavailable.code]
        if store_failures:
            with contextlib.suppress(StoreUnavailable):
                self._store.check()
                return []  # The store works; only single objects cannot be read or written.
        return store_failures

    def _after(self, outcome: str, claims: Sequence[Claim], receipt: FinishReceipt | None) -> None:
        if receipt is None:
            return
        self._observe(outcome, claims, receipt.applied)
        if receipt.dispatcher_wakeups:
            self._wakeups.notify_dispatchers(times=receipt.dispatcher_wakeups)

    def _observe(self, outcome: str, claims: Sequence[Claim], applied: Sequence[bool]) -> None:
        metrics.observe_reports(outcome, claims, applied)
        self._traces.ended(outcome, claims, applied)

    def _retry(self, report: Callable[[], Output]) -> Output | None:
        """Report until the ledger accepts it: a short outage must not discard finished work."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return report()
            except LedgerUnavailable as error:
                if time.monotonic() >= deadline:
                    _log.error("Cannot report outcomes; the jobs will run again: %s", error)
                    return None
                time.sleep(REPORT_RETRY_S)


def failure_of(claim: Claim, error: BaseException) -> JobFailure:
    """Describe an error for the client, and whether the ledger should retry the job."""
    if isinstance(error, MemoryError):
        error = OutOfMemory("the worker ran out of memory on this image")
    if not isinstance(error, SeewhyError):
        with about_job(claim):
            _log.error("Job %s failed with an unexpected error", claim.job_id, exc_info=error)
        error = ExplainerFailed("an unexpected error occurred in the worker")
    return JobFailure(
        claim=claim,
        code=error.code,
        detail=str(error),
        retry_in_ms=_backoff_ms(claim.attempt) if error.retryable else None,
    )


def _backoff_ms(attempt: int) -> int:
    """Double the delay with each attempt, up to a limit; jitter takes off up to half of it."""
    longest = min(RETRY_LIMIT_MS, RETRY_BASE_MS * 2**attempt)
    return int(longest * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret
