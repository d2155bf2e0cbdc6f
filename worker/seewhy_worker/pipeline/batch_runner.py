"""The batch runner: claims jobs of a lane, explains them and reports their outcomes.

Several threads run batches at once, so that one batch is fetched and another published while a
third is on the device. A batch is claimed when the device will be free by the time it is fetched:
its jobs are those that are ready then, so a single job runs at once and a full lane runs full
batches.

Long jobs, whose forward passes do not fit into a batch, have lanes of their own. Only some of the
threads run them, one at a time, and they share the device with the batches in turns.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

from seewhy.errors import SeewhyError
from seewhy.ledger.types import (
    PASS_COST,
    Claim,
    Completion,
    is_long,
    lanes_of,
    model_of,
)
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.pipeline import metrics
from seewhy_worker.pipeline.batches import divide_into_batches
from seewhy_worker.pipeline.claim_gate import GatedBatch
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.device_stage import DeviceStage, ExplainedBatch
from seewhy_worker.pipeline.exposure import ExposureRefused
from seewhy_worker.pipeline.fetch import FetchedJob
from seewhy_worker.pipeline.job_logs import about_job, about_jobs
from seewhy_worker.pipeline.measurements import ClaimedGroup, Outcome
from seewhy_worker.pipeline.outcome_reporter import failure_of
from seewhy_worker.pipeline.pipeline_deps import PipelineDeps

LONG_JOBS_CHECK_S = 1.0
"""How long a thread runs other jobs before it looks for a long one: their lanes may never empty."""

Item = TypeVar("Item")
Output = TypeVar("Output")


class BatchRunner:
    """Runs the jobs of lanes in batches. Thread-safe; one per worker process."""

    def __init__(
        self,
        deps: PipelineDeps,
        *,
        owner: str,
        io_threads: ThreadPoolExecutor,
        max_passes: float,
        long_jobs: int,
    ) -> None:
        """Claim jobs as `owner`; fetch images and publish results on `io_threads`.

        A batch takes jobs up to `max_passes` forward passes together. At most `long_jobs` threads
        run long jobs at once.
        """
        self._deps = deps
        self._owner = owner
        self._io_threads = io_threads
        self._max_passes = max_passes
        self._long_jobs = threading.Semaphore(long_jobs)
        self._long_jobs_wanted = threading.Event()
        self._stopping = threading.Event()
        self._device_stage = DeviceStage(deps, stopping=self._stopping)

    def stop(self) -> None:
        """Stop claiming jobs, and release the claimed jobs at their next checkpoint."""
        self._stopping.set()

    def run_lane(self, lane: str) -> int:
        """Run the jobs of the lane's model until none is ready; return how many were claimed.

        The lanes of long jobs follow the others, or go first if `lane` is one of them. Raises
        `LedgerUnavailable` when no jobs can be claimed.
        """
        lanes = lanes_of(model_of(lane))
        count = 0
        for long in (is_long(lane), not is_long(lane)):
            claimed, ok = self._drain([other for other in lanes if is_long(other) == long])
            count += claimed
            if not ok:
                break  # The next batch would fail too; the sweep sends a wakeup later.
        return count

    def _drain(self, lanes: Sequence[str]) -> tuple[int, bool]:
        """Run jobs of lanes that are all for long jobs, or all not, until none is ready.

        Returns how many jobs were claimed, and False when the last ones had to be postponed.
        """
        if not is_long(lanes[0]):
            return self._run_batches(lanes)
        count, ok = 0, True
        self._long_jobs_wanted.set()
        while ok and self._long_jobs_wanted.is_set() and self._long_jobs.acquire(blocking=False):
            # A thread that is turned away from here on may know of a job that no claim has seen.
            self._long_jobs_wanted.clear()
            try:
                claimed, ok = self._run_batches(lanes)
            finally:
                self._long_jobs.release()
            count += claimed
        return count, ok

    def _run_batches(self, lanes: Sequence[str]) -> tuple[int, bool]:
        model, long, count, ok = model_of(lanes[0]), is_long(lanes[0]), 0, True
        looked_s = time.monotonic()
        while ok and not self._stopping.is_set():
            if not long and time.monotonic() - looked_s >= LONG_JOBS_CHECK_S:
                claimed, ok = self._drain([lane for lane in lanes_of(model) if is_long(lane)])
                count += claimed
                if not ok:
                    break
                looked_s = time.monotonic()
            with self._deps.devices.using(model) as device:
                claimed, ok = self._run_next(lanes, device) if device else (0, True)
            if not claimed:
                break
            count += claimed
        return count, ok

    def _run_next(self, lanes: Sequence[str], device: Device) -> tuple[int, bool]:
        """Claim a batch when it is time and run it; as `_drain` else."""
        long = is_long(lanes[0])
        limit = 1 if long else device.max_batch
        claim = partial(self._claim, lanes, limit)
        with device.gates[long].next_batch(claim, stopping=self._stopping) as batch:
            if not batch:
                return 0, True
            claims, more_waited = batch.claims, len(batch.claims) == limit
            jobs = self._deps.traces.jobs(claims)
            with self._deps.leases.holding(claims), about_jobs(claims), jobs:
                return len(claims), self._run_claims(batch, more_waited=more_waited)

    def _claim(self, lanes: Sequence[str], limit: int) -> Sequence[Claim]:
        loaded = [lane for model in self._deps.devices.names() for lane in lanes_of(model)]
        claims = self._deps.ledger.claim(
            lanes,
            owner=self._owner,
            limit=limit,
            max_cost=round(self._max_passes * PASS_COST),
            quarantine_lanes=[lane for lane in loaded if lane not in lanes],
        )
        metrics.observe_claims(claims)
        return claims

    def _run_claims(self, gated: GatedBatch, *, more_waited: bool) -> bool:
        """Run claims of one model; return False when jobs had to be postponed."""
        lane = gated.claims[0].lane
        model = model_of(lane)
        group = self._deps.measurements.group(model, long=is_long(lane), more_waited=more_waited)
        with self._deps.devices.using(model) as device, group as measured:
            if device is None:  # a quarantined job of a model that is being dropped
                self._deps.reporter.release(gated.claims)
                return False
            return self._run_group(gated, device, measured)

    def _run_group(self, gated: GatedBatch, device: Device, group: ClaimedGroup) -> bool:
        claims = gated.claims
        model = model_of(claims[0].lane)
        with group.handling(), metrics.observed_stage(model, "fetch"):
            fetched = _in_parallel(
                self._io_threads, lambda claim: self._fetch(claim, device), claims
            )
        if isinstance(refused := fetched[0], ExposureRefused):  # a quarantined job is alone
            self._deps.reporter.postpone(claims, refused)
            return False
        failures = [
            failure_of(claim, error)
            for claim, error in zip(claims, fetched, strict=True)
            if isinstance(error, BaseException)
        ]
        published = [each for each in fetched if isinstance(each, Completion)]
        group.complete = group.complete and not published
        ok = self._deps.reporter.report(published, failures)
        jobs = [job for job in fetched if isinstance(job, FetchedJob)]
        gated.prepared([job.claim for job in jobs])
        batches = divide_into_batches(jobs, max_passes=self._max_passes)
        for left, batch in enumerate(batches, start=1 - len(batches)):
            explained = self._device_stage.explain(batch, device, group)
            if left == 0:
                # A job in quarantine may be of another model than those of this gate.
                typical = group.typical and not claims[0].quarantined
                gated.ended(group.device_s if typical else None)
            if explained:
                ok = self._publish(explained, device, group) and ok
        return ok

    def _fetch(self, claim: Claim, device: Device) -> FetchedJob | Completion:
        """Fetch the image of a job, or its result if there is one already."""
        with about_job(claim), self._deps.traces.step("fetch", claim):
            if published := self._deps.publisher.find_published(claim):
                return published
            return self._deps.fetcher.fetch(claim, device.explainer)

    def _publish(self, batch: ExplainedBatch, device: Device, group: ClaimedGroup) -> bool:
        """Publish and report; return False when jobs had to be postponed."""
        remaining = iter(batch.outcomes)
        by_job = [
            (job, list(islice(remaining, len(job.tasks))), cost)
            for job, cost in zip(batch.jobs, batch.costs, strict=True)
        ]

        def publish(part: tuple[FetchedJob, list[Outcome], int | None]) -> Completion:
            job, job_outcomes, cost = part
            with about_job(job.claim), self._deps.traces.step("publish", job.claim):
                result = self._deps.publisher.publish(
                    job,
                    _explanations(job_outcomes),
                    device.explainer,
                    timings_ms=batch.timings_ms,
                )
            return Completion(job.claim, result.model_dump_json(), cost)

        with group.handling(), metrics.observed_stage(batch.jobs[0].job.model, "publish"):
            return self._report(batch, _in_parallel(self._io_threads, publish, by_job))

    def _report(
        self, batch: ExplainedBatch, published: Sequence[Completion | BaseException]
    ) -> bool:
        return self._deps.reporter.report(
            [done for done in published if isinstance(done, Completion)],
            [
                failure_of(job.claim, error)
                for job, error in zip(batch.jobs, published, strict=True)
                if isinstance(error, BaseException)
            ],
        )


def _explanations(outcomes: Sequence[Outcome]) -> list[ImageExplanation]:
    """Return the explanations of one job. Raises the first error: a job succeeds as a whole."""
    for outcome in outcomes:
        if isinstance(outcome, SeewhyError):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, ImageExplanation)]


def _in_parallel(
    threads: ThreadPoolExecutor, step: Callable[[Item], Output], items: Sequence[Item]
) -> list[Output | BaseException]:
    """Run a step on every item in parallel; return its result, or its exception, in order."""
    futures = [threads.submit(step, item) for item in items]
    return [future.exception() or future.result() for future in futures]
