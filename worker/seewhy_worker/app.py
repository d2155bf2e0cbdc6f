"""Composition root of a worker process."""

import logging
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any

from celery import Celery, signals

from seewhy.broker.wakeups import RUN_JOBS_TASK, WakeupPublisher, create_celery, run_consumer
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import PLAIN_METHOD, WorkerDetails, lanes_of, wakeup_queue
from seewhy.monitoring.metrics_server import MetricsServer
from seewhy.monitoring.open_tracing import open_tracing
from seewhy.monitoring.tracing import Tracing
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_worker.explain.types import Explainer
from seewhy_worker.pipeline.batch_runner import BatchRunner, PipelineDeps
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.exposure import Exposure
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.job_images import JobImages
from seewhy_worker.pipeline.job_traces import JobTraces
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.measurements import Measurements
from seewhy_worker.pipeline.outcome_reporter import OutcomeReporter
from seewhy_worker.pipeline.pace import Pace
from seewhy_worker.pipeline.presence import Presence
from seewhy_worker.pipeline.publish import ResultPublisher
from seewhy_worker.pipeline.watchdog import Watchdog

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery consumer that runs lanes, with its background threads."""

    celery: Celery
    runner: BatchRunner
    leases: Leases
    watchdog: Watchdog
    presence: Presence
    metrics: MetricsServer
    tracing: Tracing
    lanes: tuple[str, ...]
    in_flight: int

    def run(self) -> None:
        """Consume wakeups until SIGTERM, then release what is claimed at its next checkpoint.

        Exits the process with `EXIT_DEVICE_HUNG` when the device stops responding.
        """
        self.metrics.start()
        self.leases.start()
        self.watchdog.start()
        signals.worker_ready.connect(self._register_presence, weak=False)
        signals.worker_shutting_down.connect(self._shut_down, weak=False)
        try:
            run_consumer(self.celery, list(map(wakeup_queue, self.lanes)), threads=self.in_flight)
        finally:
            self.presence.stop()
            self.watchdog.stop()
            self.leases.stop()
            self.metrics.stop()
            self.tracing.stop()

    def _register_presence(self, **_: Any) -> None:
        self.presence.start()

    def _shut_down(self, **_: Any) -> None:
        self.runner.stop()


def create_worker(
    settings: Settings,
    *,
    explainers: Mapping[str, Explainer],
    pinned_to: str = "",
    tracing: Tracing | None = None,
) -> Worker:
    """Build a worker for loaded models, by model name. Opens no connection."""
    tracing = tracing or open_tracing(settings, service="worker")
    traces = JobTraces(tracing)
    ledger = open_ledger(settings)
    store = open_store(settings)
    images = JobImages(
        store=store,
        max_pixels=settings.max_pixels,
        budget_pixels=settings.worker_megapixels * 1_000_000,
    )
    lanes = tuple(lane for name in explainers for lane in lanes_of(name))
    celery = create_celery(settings.redis_url, lanes=lanes)
    leases = Leases(ledger=ledger, lease_s=settings.lease_s)
    exposure = Exposure(ledger=ledger, leases=leases)
    watchdog = Watchdog(timeout_s=settings.device_timeout_s)
    worker_id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    measurements, pace = _first_measurements(explainers), Pace()
    details = partial(_details, explainers, pinned_to=pinned_to, leases=leases, pace=pace)
    presence = _presence(explainers, settings, ledger.workers, worker_id, measurements, details)
    deps = PipelineDeps(
        ledger=ledger,
        leases=leases,
        fetcher=ImageFetcher(images=images, exposure=exposure),
        devices={
            name: Device(explainer, max_batch=settings.max_batch, watchdog=watchdog)
            for name, explainer in explainers.items()
        },
        publisher=ResultPublisher(
            store=store, images=images, exposure=exposure, versions=_versions()
        ),
        reporter=OutcomeReporter(
            ledger=ledger,
            wakeups=WakeupPublisher(celery),
            store=store,
            timeout_s=settings.lease_s,
            traces=traces,
        ),
        traces=traces,
        measurements=measurements,
        pace=pace,
    )
    runner = BatchRunner(
        deps,
        owner=worker_id,
        io_threads=ThreadPoolExecutor(max_workers=2 * settings.max_batch, thread_name_prefix="io"),
        max_passes=settings.max_passes_per_batch,
        long_jobs=max(1, settings.worker_concurrency - 2),
    )
    _register_task(celery, runner, lanes)
    metrics = MetricsServer(host=settings.metrics_host, first_port=settings.worker_metrics_port)
    in_flight = settings.worker_concurrency
    return Worker(celery, runner, leases, watchdog, presence, metrics, tracing, lanes, in_flight)


def _presence(
    explainers: Mapping[str, Explainer],
    settings: Settings,
    registry: WorkerRegistry,
    worker_id: str,
    measurements: Measurements,
    details: Callable[[], WorkerDetails],
) -> Presence:
    return Presence(
        registry=registry,
        worker_id=worker_id,
        models=tuple(explainers),
        device=next((explainer.device for explainer in explainers.values()), "cpu"),
        measurements=measurements,
        details=details,
        lease_s=settings.lease_s,
    )


def _details(
    explainers: Mapping[str, Explainer], *, pinned_to: str, leases: Leases, pace: Pace
) -> WorkerDetails:
    return WorkerDetails(
        version=_versions()["seewhy"],
        engine=next((explainer.engine for explainer in explainers.values()), ""),
        pinned_to=pinned_to,
        jobs=leases.count(),
        images_per_s=pace.images_per_s(),
    )


def _first_measurements(explainers: Mapping[str, Explainer]) -> Measurements:
    """Return what loading the models has measured."""
    measurements = Measurements()
    for name, explainer in explainers.items():
        if explainer.pass_s is not None:
            measurements.add(name, PLAIN_METHOD, explainer.pass_s * 1000)
    return measurements


def _register_task(celery: Celery, runner: BatchRunner, lanes: tuple[str, ...]) -> None:
    @celery.task(name=RUN_JOBS_TASK, shared=False)  # with no other Celery of the process
    def run_jobs(lane: object = None, *_: Any, **_future_arguments: Any) -> None:
        if not isinstance(lane, str) or lane not in lanes:
            _log.warning("Ignoring a wakeup for %.100r: not a lane of this worker", lane)
            return
        try:
            runner.run_lane(lane)
        except LedgerUnavailable as error:
            _log.warning("Cannot claim jobs of %s; the next sweep retries: %s", lane, error)
        except MemoryError:
            # Celery 5.7 never acknowledges a task that raises it, and loses the slot for good.
            _log.exception("Out of memory in %s; its jobs run again when their leases expire", lane)


@cache
def _versions() -> dict[str, str]:
    names = ("seewhy", "keras", "tensorflow-cpu", "tensorflow", "numpy", "opencv-python-headless")
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
