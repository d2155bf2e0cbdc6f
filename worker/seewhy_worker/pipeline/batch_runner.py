"""The batch runner: claims jobs of a lane, explains them and reports their outcomes.

Several threads run batches at once, so that one batch is fetched and another published while a
third is on the device. A batch is the jobs that are ready now: no timer waits for more, so a
single job runs at once and a full lane runs full batches.

Long jobs, whose forward passes do not fit into a batch, have lanes of their own. Only some of the
threads run them, one at a time, and they share the device with the batches in turns.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from seewhy.errors import SeewhyError
from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.types import Claim, Completion, LeaseStatus, is_long, lanes_of, model_of
from seewhy_worker.checkpoints.checkpoint import Interrupted
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.pipeline import metrics
from seewhy_worker.pipeline.batches import divide_into_batches
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.exposure import ExposureRefused
from seewhy_worker.pipeline.fetch import FetchedJob, ImageFetcher
from seewhy_worker.pipeline.job_logs import about_job, about_jobs
from seewhy_worker.pipeline.job_traces import JobTraces
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.loaded_models import LoadedModels
from seewhy_worker.pipeline.measurements import ClaimedGroup, Measurements, Outcome
from seewhy_worker.pipeline.outcome_reporter import OutcomeReporter, failure_of
from seewhy_worker.pipeline.pace import Pace
from seewhy_worker.pipeline.publish import ResultPublisher

Item = TypeVar("Item")
Output = TypeVar("Output")


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineDeps:
    """What the batch runner works with."""

    ledger: ClaimLedger
    leases: Leases
    fetcher: ImageFetcher
    devices: LoadedModels
    publisher: ResultPublisher
    reporter: OutcomeReporter
    measurements: Measurements
    traces: JobTraces
    pace: Pace


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
        model, count, ok = model_of(lanes[0]), 0, True
        while ok and not self._stopping.is_set():
            with self._deps.devices.using(model) as device:
                claimed, ok = self._run_next(lanes, device) if device else (0, True)
            if not claimed:
                break
            count += claimed
        return count, ok

    def _run_next(self, lanes: Sequence[str], device: Device) -> tuple[int, bool]:
        """Claim and run a batch; as `_drain` else."""
        limit = 1 if is_long(lanes[0]) else device.max_batch
        loaded = [lane for model in self._deps.devices.names() for lane in lanes_of(model)]
        claims = self._deps.ledger.claim(
            lanes,
            owner=self._owner,
            limit=limit,
            quarantine_lanes=[lane for lane in loaded if lane not in lanes],
        )
        if not claims:
            return 0, True
        metrics.observe_claims(claims)
        jobs = self._deps.traces.jobs(claims)
        with self._deps.leases.holding(claims), about_jobs(claims), jobs:
            return len(claims), self._run_claims(claims, more_waited=len(claims) == limit)

    def _run_claims(self, claims: Sequence[Claim], *, more_waited: bool) -> bool:
        """Run claims of one model; return False when jobs had to be postponed."""
        lane = claims[0].lane
        model = model_of(lane)
        group = self._deps.measurements.group(model, long=is_long(lane), more_waited=more_waited)
        with self._deps.devices.using(model) as device, group as measured:
            if device is None:  # a quarantined job of a model that is being dropped
                self._deps.reporter.release(claims)
                return False
            return self._run_group(claims, device, measured)

    def _run_group(self, claims: Sequence[Claim], device: Device, group: ClaimedGroup) -> bool:
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
        for batch in divide_into_batches(jobs, max_passes=self._max_passes):
            ok = self._run_batch(batch, device, group) and ok
        return ok

    def _fetch(self, claim: Claim, device: Device) -> FetchedJob | Completion:
        """Fetch the image of a job, or its result if there is one already."""
        with about_job(claim), self._deps.traces.step("fetch", claim):
            if published := self._deps.publisher.find_published(claim):
                return published
            return self._deps.fetcher.fetch(claim, device.explainer)

    def _run_batch(self, batch: Sequence[FetchedJob], device: Device, group: ClaimedGroup) -> bool:
        """Explain, publish and report; return False when jobs had to be postponed."""
        with self._deps.leases.following([job.claim for job in batch]):
            while batch := self._drop_ended(batch):
                started_s = time.perf_counter()
                try:
                    with self._deps.traces.batch([job.claim for job in batch]):
                        outcomes, explain_ms = device.explain(
                            [task for job in batch for task in job.tasks],
                            checkpoint=partial(self._check, batch),
                            long=is_long(batch[0].claim.lane),
                            tenants=batch[0].claim.tenants,
                        )
                    break
                except Interrupted:
                    if self._stopping.is_set():
                        self._deps.reporter.release([job.claim for job in batch])
                        return True
            else:
                return True
        wait_ms = (time.perf_counter() - started_s) * 1000 - explain_ms
        costs = self._measure(batch, outcomes, explain_ms, group)
        with group.handling(), metrics.observed_stage(batch[0].job.model, "publish"):
            timings_ms = {"device_wait": max(wait_ms, 0.0), "explain": explain_ms}
            return self._publish(batch, outcomes, device, costs, timings_ms)

    def _measure(
        self,
        batch: Sequence[FetchedJob],
        outcomes: Sequence[Outcome],
        device_ms: float,
        group: ClaimedGroup,
    ) -> list[int | None]:
        """Keep what a batch took; return what each of its jobs cost, if that is known."""
        tasks = [task for job in batch for task in job.tasks]
        measured = self._deps.measurements.add_explained(
            batch[0].job.model, tasks, outcomes, device_ms=device_ms
        )
        group.device_s += device_ms / 1000
        self._deps.pace.add(batch[0].job.model, len(outcomes), device_s=device_ms / 1000)
        metrics.observe_batch(batch[0].job.model, outcomes, device_s=device_ms / 1000)
        group.complete = group.complete and measured.complete
        if measured.cost is None:
            return [None] * len(batch)
        passes = [job.likely_passes for job in batch]
        return [max(1, round(measured.cost * each / sum(passes))) for each in passes]

    def _check(self, batch: Sequence[FetchedJob]) -> None:
        """Raise `Interrupted` when this worker stops or a job of the batch has ended."""
        if self._stopping.is_set() or any(self._status(job) != LeaseStatus.HELD for job in batch):
            raise Interrupted

    def _drop_ended(self, batch: Sequence[FetchedJob]) -> list[FetchedJob]:
        """Keep the jobs with a valid lease; confirm the cancellation of those cancelled."""
        statuses = [(job, self._status(job)) for job in batch]
        cancelled = [job.claim for job, status in statuses if status is LeaseStatus.CANCEL]
        if cancelled:
            self._deps.reporter.cancel(cancelled)
        return [job for job, status in statuses if status is LeaseStatus.HELD]

    def _status(self, job: FetchedJob) -> LeaseStatus:
        return self._deps.leases.status(job.claim)

    def _publish(
        self,
        batch: Sequence[FetchedJob],
        outcomes: Sequence[Outcome],
        device: Device,
        costs: Sequence[int | None],
        timings_ms: Mapping[str, float],
    ) -> bool:
        remaining = iter(outcomes)
        by_job = [
            (job, list(islice(remaining, len(job.tasks))), cost)
            for job, cost in zip(batch, costs, strict=True)
        ]

        def publish(part: tuple[FetchedJob, list[Outcome], int | None]) -> Completion:
            job, job_outcomes, cost = part
            with about_job(job.claim), self._deps.traces.step("publish", job.claim):
                result = self._deps.publisher.publish(
                    job, _explanations(job_outcomes), device.explainer, timings_ms=timings_ms
                )
            return Completion(job.claim, result.model_dump_json(), cost)

        published = _in_parallel(self._io_threads, publish, by_job)
        return self._deps.reporter.report(
            [done for done in published if isinstance(done, Completion)],
            [
                failure_of(job.claim, error)
                for job, error in zip(batch, published, strict=True)
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
