"""Composition root of a worker process."""

import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any

from celery import Celery, signals

from seewhy.broker.wakeups import RUN_JOBS_TASK, LaneConsumer, WakeupPublisher, create_celery
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import PLAIN_METHOD, WorkerDetails, lanes_of
from seewhy.monitoring.metrics_server import MetricsServer
from seewhy.monitoring.open_tracing import open_tracing
from seewhy.monitoring.tracing import Tracing
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_worker.explain.types import Explainer
from seewhy_worker.pipeline.batch_runner import BatchRunner
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.exposure import Exposure
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.job_images import JobImages
from seewhy_worker.pipeline.job_traces import JobTraces
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.loaded_models import LoadedModels
from seewhy_worker.pipeline.measurements import Measurements
from seewhy_worker.pipeline.outcome_reporter import OutcomeReporter
from seewhy_worker.pipeline.pace import Pace
from seewhy_worker.pipeline.pipeline_deps import PipelineDeps
from seewhy_worker.pipeline.presence import Presence, ServedModels, describe_engines
from seewhy_worker.pipeline.publish import ResultPublisher
from seewhy_worker.pipeline.watchdog import Watchdog
from seewhy_worker.residency.demand_loader import DemandLoader, LoaderDeps, ModelBudget
from seewhy_worker.residency.model_source import ModelSource, load_timed

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery consumer that runs lanes, with its background threads."""

    celery: Celery
    runner: BatchRunner
    leases: Leases
    watchdog: Watchdog
    presence: Presence
    consumer: LaneConsumer
    loader: DemandLoader
    metrics: MetricsServer
    tracing: Tracing
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
            self.consumer.run(threads=self.in_flight)
        finally:
            has_stopped = self.loader.stop()
            self.presence.stop()
            self.watchdog.stop()
            self.leases.stop()
            self.metrics.stop()
            self.tracing.stop()
            if not has_stopped:
                _exit_during_load()

    def _register_presence(self, **_: Any) -> None:
        self.presence.start()
        self.loader.start()

    def _shut_down(self, **_: Any) -> None:
        self.runner.stop()


def create_worker(
    settings: Settings,
    *,
    source: ModelSource,
    pinned_to: str = "",
    tracing: Tracing | None = None,
) -> Worker:
    """Load the resident models from `source` and build a worker. Opens no connection.

    Raises as `ModelSource.load`.
    """
    explainers = {name: load_timed(source, name)[0] for name in settings.resident_models}
    tracing = tracing or open_tracing(settings, service="worker")
    ledger = open_ledger(settings)
    lanes = _served_lanes(settings)
    celery = create_celery(settings.redis_url, lanes=lanes)
    consumer = LaneConsumer(celery, lanes=lanes)
    leases = Leases(ledger=ledger, lease_s=settings.lease_s)
    watchdog = Watchdog(timeout_s=settings.device_timeout_s)
    worker_id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    create_device = partial(Device, max_batch=settings.max_batch, watchdog=watchdog)
    devices = LoadedModels({name: create_device(each) for name, each in explainers.items()})
    deps = _pipeline(settings, ledger, celery, leases=leases, devices=devices, tracing=tracing)
    _add_pass_times(deps.measurements, explainers)
    presence = Presence(
        registry=ledger.workers,
        worker_id=worker_id,
        models=lambda: loader.served(),  # noqa: PLW0108 - it is created below
        device=source.device,
        measurements=deps.measurements,
        details=partial(_details, deps, engine=source.engine, pinned_to=pinned_to),
        lease_s=settings.lease_s,
    )
    loader = DemandLoader(
        LoaderDeps(
            source=source,
            devices=devices,
            create_device=create_device,
            registry=ledger.workers,
            measurements=deps.measurements,
            on_change=partial(_announce, devices, consumer, presence),
        ),
        worker_id=worker_id,
        models=settings.demand_models,
        budget=_budget(settings, explainers),
    )
    runner = _runner(settings, deps, worker_id)
    _register_task(celery, runner, lanes)
    return Worker(
        celery=celery,
        runner=runner,
        leases=leases,
        watchdog=watchdog,
        presence=presence,
        consumer=consumer,
        loader=loader,
        metrics=MetricsServer(host=settings.metrics_host, first_port=settings.worker_metrics_port),
        tracing=tracing,
        in_flight=settings.worker_concurrency,
    )


def _exit_during_load() -> None:
    """Exit at once: a thread inside TensorFlow would abort the end of the interpreter."""
    _log.info("Exiting while a model is being loaded")
    logging.shutdown()
    os._exit(0)


def _pipeline(
    settings: Settings,
    ledger: RedisLedger,
    celery: Celery,
    *,
    leases: Leases,
    devices: LoadedModels,
    tracing: Tracing,
) -> PipelineDeps:
    store = open_store(settings)
    traces = JobTraces(tracing)
    exposure = Exposure(ledger=ledger, leases=leases)
    images = JobImages(
        store=store,
        max_pixels=settings.max_pixels,
        budget_pixels=settings.worker_megapixels * 1_000_000,
    )
    return PipelineDeps(
        ledger=ledger,
        leases=leases,
        fetcher=ImageFetcher(images=images, exposure=exposure),
        devices=devices,
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
        measurements=Measurements(),
        pace=Pace(),
    )


def _budget(settings: Settings, pinned: Mapping[str, Explainer]) -> ModelBudget:
    return ModelBudget(
        bytes=settings.loaded_models_bytes,
        pinned={name: explainer.memory_bytes for name, explainer in pinned.items()},
        idle_s=settings.model_idle_s,
    )


def _served_lanes(settings: Settings) -> tuple[str, ...]:
    models = (*settings.resident_models, *settings.demand_models)
    return tuple(lane for name in models for lane in lanes_of(name))


def _runner(settings: Settings, deps: PipelineDeps, worker_id: str) -> BatchRunner:
    return BatchRunner(
        deps,
        owner=worker_id,
        io_threads=ThreadPoolExecutor(max_workers=2 * settings.max_batch, thread_name_prefix="io"),
        max_passes=settings.max_passes_per_batch,
        long_jobs=max(1, settings.worker_concurrency - 2),
    )


def _announce(devices: LoadedModels, consumer: LaneConsumer, presence: Presence) -> None:
    """Take wakeups for the models that are loaded now, and let others know of them."""
    consumer.select(lane for name in devices.names() for lane in lanes_of(name))
    with contextlib.suppress(LedgerUnavailable):  # the next renewal lets them know
        presence.register()


def _details(
    deps: PipelineDeps, models: ServedModels, *, engine: str, pinned_to: str
) -> WorkerDetails:
    return WorkerDetails(
        version=_versions()["seewhy"],
        engine=describe_engines(deps.devices.engines()) or engine,
        max_batch=deps.devices.max_batches(),
        pinned_to=pinned_to,
        jobs=deps.leases.count(),
        images_per_s=deps.pace.images_per_s(),
        model_bytes=models.bytes,
        failed_loads=models.failed_loads,
    )


def _add_pass_times(measurements: Measurements, explainers: Mapping[str, Explainer]) -> None:
    """Add what loading the models has measured."""
    for name, explainer in explainers.items():
        if explainer.pass_s is not None:
            measurements.add(name, PLAIN_METHOD, explainer.pass_s * 1000)


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
