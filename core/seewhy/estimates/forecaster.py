"""The estimates that the API answers with, for explanations and for batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seewhy.errors import LedgerUnavailable
from seewhy.estimates.eta import Eta, Speed, after_load, estimate
from seewhy.estimates.job_cost import job_cost
from seewhy.estimates.measured_times import MeasuredTimes
from seewhy.ledger.ports.jobs import JobLedger
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import BatchRecord, JobRecord, ModelPresence, WorkAhead, is_long, model_of
from seewhy.schemas.job import MethodOptions
from seewhy.settings import Settings


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an open job waits for."""

    position: int | None = None
    eta: Eta | None = None


class Forecaster:
    """Estimates costs and ends. One per process, used by many threads."""

    def __init__(
        self,
        *,
        ledger: JobLedger,
        times: MeasuredTimes,
        presence_of: Callable[[str], ModelPresence | None],
        max_batch: int,
        threads: int,
    ) -> None:
        """Read the work from `ledger`; `presence_of` tells the live workers of a model.

        Each of them runs batches of up to `max_batch` jobs in `threads` at once.
        """
        self._ledger = ledger
        self.times = times
        self._presence_of = presence_of
        self._max_batch = max_batch
        self._threads = threads

    def cost_of(self, model: str, methods: Sequence[MethodOptions], targets: int) -> int:
        """Estimate the cost of a new job, as `Submission.cost` has it."""
        return job_cost(methods, targets=targets, times=self.times.of(model))

    def of_job(self, record: JobRecord) -> Forecast:
        """Return the position and the end of a job, as far as they are known."""
        if record.state.terminal:
            return Forecast()
        try:
            work = self._ledger.work_ahead(record.job_id)
            return Forecast(work.position, self._eta(work)) if work else Forecast()
        except LedgerUnavailable:
            return Forecast()

    def of_batch(self, batch: BatchRecord) -> Eta | None:
        """Estimate when the last job of a batch will have ended, in the lane where that is last.

        Items that are not jobs yet are taken to come after the last ones that are.
        """
        if batch.state.terminal:
            return None
        more = batch.unaccepted // max(1, len(batch.last_jobs))
        try:
            work = [self._ledger.work_ahead(job_id, more=more) for job_id in batch.last_jobs]
            etas = [eta for each in work if each and (eta := self._eta(each))]
        except LedgerUnavailable:
            return None
        if not etas:
            return None
        return Eta(max(eta.p50_ms for eta in etas), max(eta.p90_ms for eta in etas))

    def _eta(self, work: WorkAhead) -> Eta | None:
        model, long = model_of(work.lane), is_long(work.lane)
        presence = self._presence_of(model)
        if presence is None or not presence.workers:
            return None
        times = self.times.of(model)
        speed = Speed.of(times, presence.loaded or presence.devices, long=long)
        if speed is None:
            return None
        eta = estimate(
            work,
            speed,
            max_batch=1 if long else self._max_batch,
            threads=1 if long else self._threads,
        )
        return eta if presence.loaded else after_load(eta, times, presence.devices)


def create_forecaster(
    settings: Settings, ledger: RedisLedger, *, presence_of: Callable[[str], ModelPresence | None]
) -> Forecaster:
    """Create the forecaster of a process, for workers with the same settings."""
    return Forecaster(
        ledger=ledger,
        times=MeasuredTimes(ledger.workers),
        presence_of=presence_of,
        max_batch=settings.max_batch,
        threads=settings.worker_concurrency,
    )
