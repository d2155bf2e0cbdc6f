"""The batch runner: claims jobs of a lane, explains them and reports their outcomes.

Several threads run batches at once, so that one batch is fetched and another published while a
third is on the device. A batch is the jobs that are ready now: no timer waits for more, so a
single job runs at once and a full lane runs full batches.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from seewhy.ledger.types import Claim, Completion, FinishReceipt, JobFailure, LeaseStatus, lanes_of
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.exposure import ExposureRefused
from seewhy_worker.pipeline.fetch import FetchedJob, ImageFetcher
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.publish import ResultPublisher

Item = TypeVar("Item")
Output = TypeVar("Output")

RETRY_BASE_MS = 500
RETRY_LIMIT_MS = 30_000
POSTPONED_MS = 2_000
REPORT_RETRY_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineDeps:
    """What the batch runner works with. `devices` are by model name."""

    ledger: ClaimLedger
    wakeups: WakeupPublisher
    store: ObjectStore
    leases: Leases
    fetcher: ImageFetcher
    devices: Mapping[str, Device]
    publisher: ResultPublisher


class BatchRunner:
    """Runs the jobs of lanes in batches. Thread-safe; one per worker process."""

    def __init__(
        self,
        deps: PipelineDeps,
        *,
        owner: str,
        io_threads: ThreadPoolExecutor,
        report_timeout_s: float,
    ) -> None:
        """Claim jobs as `owner`; fetch images and publish results on `io_threads`.

        While the ledger is unavailable, an outcome is reported again for `report_timeout_s`.
        """
        self._deps = deps
        self._owner = owner
        self._io_threads = io_threads
        self._report_timeout_s = report_timeout_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop claiming jobs, and release the claimed jobs that are not on the device yet."""
        self._stopping.set()

    def run_lane(self, lane: str) -> int:
        """Run the jobs of the lane's model until none is ready; return how many were claimed.

        Raises `LedgerUnavailable` when no jobs can be claimed.
        """
        model = lane.rpartition(":")[0]
        device = self._deps.devices[model]
        lanes = lanes_of(model)
        count = 0
        while not self._stopping.is_set():
            claims = self._deps.ledger.claim(lanes, owner=self._owner, limit=device.max_batch)
            if not claims:
                break
            count += len(claims)
            with self._deps.leases.holding(claims):
                ok = self._run_batch(claims, device)
            if not ok:
                break  # The next batch would fail too; the sweep sends a wakeup later.
        return count

    def _run_batch(self, claims: Sequence[Claim], device: Device) -> bool:
        """Run a batch; return False when the jobs had to be postponed."""
        fetched = _in_parallel(
            self._io_threads,
            lambda claim: self._deps.fetcher.fetch(claim, device.explainer),
            claims,
        )
        if isinstance(refused := fetched[0], ExposureRefused):  # a quarantined job is alone
            self._postpone(claims, refused)
            return False
        failures = [
            _failure(claim, error)
            for claim, error in zip(claims, fetched, strict=True)
            if isinstance(error, BaseException)
        ]
        ok = self._report([], failures)
        batch = self._drop_cancelled([job for job in fetched if isinstance(job, FetchedJob)])
        if not batch:
            return ok
        explained = device.explain([job.task for job in batch], unless=self._stopping)
        if explained is None:
            self._retry_report(lambda: self._deps.ledger.release([job.claim for job in batch]))
            return ok
        outcomes, explain_ms = explained
        return self._publish(batch, outcomes, device, {"explain": explain_ms}) and ok

    def _drop_cancelled(self, batch: list[FetchedJob]) -> list[FetchedJob]:
        """Keep the jobs with a valid lease; confirm the cancellation of those cancelled."""
        statuses = [(job, self._deps.leases.status(job.claim)) for job in batch]
        cancelled = [job.claim for job, status in statuses if status is LeaseStatus.CANCEL]
        if cancelled:
            self._retry_report(lambda: self._deps.ledger.cancel_claimed(cancelled))
        return [job for job, status in statuses if status is LeaseStatus.HELD]

    def _publish(
        self,
        batch: Sequence[FetchedJob],
        outcomes: Sequence[ImageExplanation | SeewhyError],
        device: Device,
        timings_ms: Mapping[str, float],
    ) -> bool:
        def publish(pair: tuple[FetchedJob, ImageExplanation | SeewhyError]) -> Completion:
            job, outcome = pair
            if isinstance(outcome, SeewhyError):
                raise outcome
            result = self._deps.publisher.publish(
                job, outcome, device.explainer, timings_ms=timings_ms
            )
            return Completion(job.claim, result.model_dump_json())

        published = _in_parallel(self._io_threads, publish, list(zip(batch, outcomes, strict=True)))
        return self._report(
            [done for done in published if isinstance(done, Completion)],
            [
                _failure(job.claim, error)
                for job, error in zip(batch, published, strict=True)
                if isinstance(error, BaseException)
            ],
        )

    def _report(self, completions: list[Completion], failures: list[JobFailure]) -> bool:
        """Report outcomes to the ledger; return False when the object store is unavailable.

        Jobs that failed because of an outage of the store are released instead.
        """
        outage = self._store_outage_failures(failures)
        failed = [failure for failure in failures if failure not in outage]
        if completions:
            self._notify_dispatchers(
                self._retry_report(lambda: self._deps.ledger.complete(completions))
            )
        for failure in failed:
            _log.warning(
                "Job %s failed: %s: %s", failure.claim.job_id, failure.code, failure.detail
            )
        if failed:
            self._notify_dispatchers(self._retry_report(lambda: self._deps.ledger.fail(failed)))
        if outage:
            self._postpone([failure.claim for failure in outage], outage[0].detail)
        return not outage

    def _postpone(self, claims: Sequence[Claim], reason: object) -> None:
        """Release jobs whose attempts failed through no fault of theirs."""
        _log.warning("Released %d jobs for %d ms: %s", len(claims), POSTPONED_MS, reason)
        self._retry_report(lambda: self._deps.ledger.release(claims, retry_in_ms=POSTPONED_MS))

    def _store_outage_failures(self, failures: list[JobFailure]) -> list[JobFailure]:
        """Return the failures caused by an outage of the whole store: they cost no attempt."""
        store_failures = [f for f in failures if f.code == StoreUnavailable.code]
        if store_failures:
            with contextlib.suppress(StoreUnavailable):
                self._deps.store.check()
                return []  # The store works; only single objects cannot be read or written.
        return store_failures

    def _notify_dispatchers(self, receipt: FinishReceipt | None) -> None:
        if receipt and receipt.dispatcher_wakeups:
            self._deps.wakeups.notify_dispatchers(times=receipt.dispatcher_wakeups)

    def _retry_report(self, report: Callable[[], Output]) -> Output | None:
        """Report until the ledger accepts it: a short outage must not discard finished work."""
        deadline = time.monotonic() + self._report_timeout_s
        while True:
            try:
                return report()
            except LedgerUnavailable as error:
                if time.monotonic() >= deadline:
                    _log.error("Cannot report outcomes; the jobs will run again: %s", error)
                    return None
                time.sleep(REPORT_RETRY_S)


def _in_parallel(
    threads: ThreadPoolExecutor, step: Callable[[Item], Output], items: Sequence[Item]
) -> list[Output | BaseException]:
    """Run a step on every item in parallel; return its result, or its exception, in order."""
    futures = [threads.submit(step, item) for item in items]
    return [future.exception() or future.result() for future in futures]


def _failure(claim: Claim, error: BaseException) -> JobFailure:
    """Describe an error for the client, and whether the ledger should retry the job."""
    if isinstance(error, MemoryError):
        error = OutOfMemory("the worker ran out of memory on this image")
    if not isinstance(error, SeewhyError):
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
