"""The one place where a worker process is put together."""

import logging
import os
import socket
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from celery import Celery, signals

from seewhy.broker.wakeups import RUN_JOBS_TASK, WakeupPublisher, create_celery, run_consumer
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of, wakeup_queue
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_worker.explain.types import Explainer
from seewhy_worker.pipeline.batch_runner import BatchRunner, PipelineDeps
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.process_tuning import tune_process
from seewhy_worker.pipeline.publish import ResultPublisher
from seewhy_worker.pipeline.watchdog import Watchdog

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery application whose one task drains lanes, and what runs beside it."""

    celery: Celery
    drain: BatchRunner
    leases: Leases
    watchdog: Watchdog
    lanes: tuple[str, ...]
    in_flight: int

    def run(self) -> None:
        """Consume hints until SIGTERM, then finish what is on the device and give the rest back.

        Ends the process with `seewhy_worker.pipeline.watchdog.HUNG` when the device does not answer.
        """
        tune_process()
        self.leases.start()
        self.watchdog.start()
        signals.worker_shutting_down.connect(self._shutting_down, weak=False)
        try:
            run_consumer(self.celery, list(map(wakeup_queue, self.lanes)), threads=self.in_flight)
        finally:
            self.watchdog.stop()
            self.leases.stop()

    def _shutting_down(self, **_: Any) -> None:
        self.drain.stop()


def create_worker(settings: Settings, *, explainers: Mapping[str, Explainer]) -> Worker:
    """Wire a worker around resident explainers, by model name. Nothing is contacted yet."""
    ledger = open_ledger(settings)
    store = open_store(settings)
    lanes = tuple(lane for name in explainers for lane in lanes_of(name))
    celery = create_celery(settings.redis_url, lanes=lanes)
    leases = Leases(ledger=ledger, lease_s=settings.lease_s)
    watchdog = Watchdog(timeout_s=settings.device_timeout_s)
    stations = PipelineDeps(
        ledger=ledger,
        outbox=ledger.outbox,
        wakeups=WakeupPublisher(celery),
        store=store,
        leases=leases,
        intake=ImageFetcher(store=store, max_pixels=settings.max_pixels),
        devices={
            name: Device(explainer, max_batch=settings.max_batch, watchdog=watchdog)
            for name, explainer in explainers.items()
        },
        publication=ResultPublisher(store=store, versions=_versions()),
    )
    drain = BatchRunner(
        stations,
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        helpers=ThreadPoolExecutor(max_workers=2 * settings.max_batch, thread_name_prefix="side"),
        report_within_s=settings.lease_s,
    )
    _register(celery, drain)
    return Worker(celery, drain, leases, watchdog, lanes, settings.worker_concurrency)


def _register(celery: Celery, drain: BatchRunner) -> None:
    @celery.task(name=RUN_JOBS_TASK)
    def work(lane: str, **_added_later: Any) -> None:
        try:
            drain.drain(lane)
        except LedgerUnavailable as error:
            _log.warning("left %s, the sweep will ring again: %s", lane, error)
        except MemoryError:
            # Celery 5.7 never acknowledges a task that ends so, and the slot is lost for good.
            _log.exception("out of memory while draining %s; its leases will run out", lane)


def _versions() -> dict[str, str]:
    names = ("seewhy", "keras", "tensorflow-cpu", "tensorflow", "numpy", "opencv-python-headless")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
