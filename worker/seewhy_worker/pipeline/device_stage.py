"""The device stage: from fetched jobs to explanations and what they took."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from seewhy.ledger.types import LeaseStatus, is_long
from seewhy_worker.checkpoints.checkpoint import Interrupted
from seewhy_worker.pipeline import metrics
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.fetch import FetchedJob
from seewhy_worker.pipeline.measurements import ClaimedGroup, Outcome
from seewhy_worker.pipeline.pipeline_deps import PipelineDeps


@dataclass(frozen=True, slots=True)
class ExplainedBatch:
    """Jobs that the device has explained, and what they took."""

    jobs: Sequence[FetchedJob]
    outcomes: Sequence[Outcome]
    """Those of all tasks of all jobs, in order."""
    costs: Sequence[int | None]
    """What each job took, if that is known."""
    timings_ms: Mapping[str, float]


class DeviceStage:
    """Explains batches, unless their jobs end or the worker stops meanwhile. Thread-safe."""

    def __init__(self, deps: PipelineDeps, *, stopping: threading.Event) -> None:
        """Release the jobs on the device at their next checkpoint when `stopping` is set."""
        self._deps = deps
        self._stopping = stopping

    def explain(
        self, batch: Sequence[FetchedJob], device: Device, group: ClaimedGroup
    ) -> ExplainedBatch | None:
        """Explain the jobs that have not ended; None when there are none, or the worker stops."""
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
                        return None
            else:
                return None
        wait_ms = max(0.0, (time.perf_counter() - started_s) * 1000 - explain_ms)
        costs = self._measure(batch, outcomes, explain_ms, group)
        timings_ms = {"device_wait": wait_ms, "explain": explain_ms}
        return ExplainedBatch(batch, outcomes, costs, timings_ms)

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
        group.typical = group.typical and not measured.compiled
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
