"""Draining a lane: claim, prepare, explain, publish, settle, until nothing is left.

Several threads drain at once, so that one batch is fetched and another uploaded while a third is
on the device. The batch is what is waiting: no timer, so a lone job runs at once and a full lane
runs full batches.
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
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.types import Claim, Completion, JobFailure, LeaseStatus, lanes_of
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.fetch import FetchedJob, ImageFetcher
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.publish import ResultPublisher

Item = TypeVar("Item")
Made = TypeVar("Made")

RETRY_BASE_MS = 500
RETRY_LIMIT_MS = 30_000
STORE_AWAY_MS = 2_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineDeps:
    """Where a batch passes by on its way."""

    ledger: Ledger
    outbox: Outbox
    wakeups: WakeupPublisher
    store: ObjectStore
    leases: Leases
    intake: ImageFetcher
    devices: Mapping[str, Device]
    publication: ResultPublisher


class BatchRunner:
    """Empties lanes. One per worker process, used by all its threads."""

    def __init__(
        self,
        stations: PipelineDeps,
        *,
        owner: str,
        helpers: ThreadPoolExecutor,
        report_within_s: float,
    ) -> None:
        """Claim as `owner`; fetch and upload on the threads of `helpers`.

        An outcome that the ledger does not take is offered again for `report_within_s`.
        """
        self._at = stations
        self._owner = owner
        self._helpers = helpers
        self._report_within_s = report_within_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Claim nothing more, and give back what has not reached the device."""
        self._stopping.set()

    def drain(self, lane: str) -> int:
        """Run the jobs of the lane's model until none is ready; return how many were claimed.

        Raises `LedgerUnavailable` when nothing can be claimed.
        """
        model = lane.rpartition(":")[0]
        device = self._at.devices[model]
        lanes = lanes_of(model)
        count = 0
        while not self._stopping.is_set():
            claims = self._at.ledger.claim(lanes, owner=self._owner, limit=device.max_batch)
            if not claims:
                break
            count += len(claims)
            with self._at.leases.holding(claims):
                well = self._run(claims, device)
            if not well:
                break  # the sweep will ring again
        return count

    def _run(self, claims: Sequence[Claim], device: Device) -> bool:
        """Run a batch; False when the object store is away, and others would fare no better."""
        fetched = _side_by_side(
            self._helpers, lambda claim: self._at.intake.fetch(claim, device.explainer), claims
        )
        failures = [_failure(c, f) for c, f in zip(claims, fetched, strict=True) if _failed(f)]
        well = self._report([], failures)
        batch = self._still_wanted([ready for ready in fetched if isinstance(ready, FetchedJob)])
        if not batch:
            return well
        explained = device.explain(
            [ready.prepared for ready in batch],
            [ready.job.targets for ready in batch],
            [ready.job.method_options for ready in batch],
            unless=self._stopping,
        )
        if explained is None:
            self._tell(lambda: self._at.ledger.release([ready.claim for ready in batch]))
            return well
        outcomes, explain_ms = explained
        return self._finish(batch, outcomes, device, {"explain": explain_ms}) and well

    def _still_wanted(self, batch: list[FetchedJob]) -> list[FetchedJob]:
        """Leave out what was cancelled or lost."""
        holds = [(ready, self._at.leases.of(ready.claim)) for ready in batch]
        cancelled = [ready.claim for ready, hold in holds if hold is LeaseStatus.CANCEL]
        if cancelled:
            self._tell(lambda: self._at.ledger.cancel_claimed(cancelled))
        return [ready for ready, hold in holds if hold is LeaseStatus.HELD]

    def _finish(
        self,
        batch: Sequence[FetchedJob],
        outcomes: Sequence[ImageExplanation | SeewhyError],
        device: Device,
        timings_ms: Mapping[str, float],
    ) -> bool:
        def publish(pair: tuple[FetchedJob, ImageExplanation | SeewhyError]) -> Completion:
            ready, outcome = pair
            if isinstance(outcome, SeewhyError):
                raise outcome
            result = self._at.publication.publish(
                ready, outcome, device.explainer, timings_ms=timings_ms
            )
            return Completion(ready.claim, result.model_dump_json())

        published = _side_by_side(self._helpers, publish, list(zip(batch, outcomes, strict=True)))
        return self._report(
            [done for done in published if isinstance(done, Completion)],
            [_failure(r.claim, f) for r, f in zip(batch, published, strict=True) if _failed(f)],
        )

    def _report(self, completions: list[Completion], failures: list[JobFailure]) -> bool:
        """Report outcomes; False when the store is away, and with it some of them."""
        away = self._failed_by_the_store_alone(failures)
        own = [failure for failure in failures if failure not in away]
        if completions:
            self._tell(lambda: self._at.ledger.complete(completions))
        for failure in own:
            _log.warning("job %s: %s: %s", failure.claim.job_id, failure.code, failure.detail)
        if own:
            self._tell(lambda: self._at.ledger.fail(own))
        if away:
            _log.warning("gave %d jobs back: %s", len(away), away[0].detail)
            claims = [failure.claim for failure in away]
            self._tell(lambda: self._at.ledger.release(claims, retry_in_ms=STORE_AWAY_MS))
        if completions or own:
            self._wake_couriers()
        return not away

    def _failed_by_the_store_alone(self, failures: list[JobFailure]) -> list[JobFailure]:
        """Pick what an outage of the whole store has spoilt: it costs no job an attempt."""
        spoilt = [failure for failure in failures if failure.code == StoreUnavailable.code]
        if spoilt:
            with contextlib.suppress(StoreUnavailable):
                self._at.store.check()
                return []  # it is one object that cannot be had
        return spoilt

    def _wake_couriers(self) -> None:
        with contextlib.suppress(LedgerUnavailable):  # the sweep will wake them
            if wanted := self._at.outbox.wakeups_needed():
                self._at.wakeups.notify_dispatchers(times=wanted)

    def _tell(self, report: Callable[[], object]) -> None:
        """Report an outcome; a ledger that is away for a moment must not cost the work done."""
        deadline = time.monotonic() + self._report_within_s
        while True:
            try:
                report()
            except LedgerUnavailable as error:
                if time.monotonic() >= deadline:
                    _log.error("gave up reporting, the jobs will run again: %s", error)
                    return
                time.sleep(0.5)
            else:
                return


def _side_by_side(
    helpers: ThreadPoolExecutor, step: Callable[[Item], Made], items: Sequence[Item]
) -> list[Made | BaseException]:
    """Run a step on every item in parallel; an exception stands where the result would."""
    futures = [helpers.submit(step, item) for item in items]
    return [future.exception() or future.result() for future in futures]


def _failed(outcome: object) -> bool:
    return isinstance(outcome, BaseException)


def _failure(claim: Claim, error: object) -> JobFailure:
    """Say what went wrong so that the client and the ledger can act on it."""
    if isinstance(error, MemoryError):
        error = OutOfMemory("the worker ran out of memory on this picture")
    if not isinstance(error, SeewhyError):
        _log.error("job %s failed in an unforeseen way", claim.job_id, exc_info=error)  # type: ignore[arg-type]
        error = ExplainerFailed("the worker failed on this picture in an unforeseen way")
    return JobFailure(
        claim=claim,
        code=error.code,
        detail=str(error),
        retry_in_ms=_delay_ms(claim.attempt) if error.retryable else None,
    )


def _delay_ms(attempt: int) -> int:
    """Double the wait with each attempt, between half and all of it at random."""
    longest = min(RETRY_LIMIT_MS, RETRY_BASE_MS * 2**attempt)
    return int(longest * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret
