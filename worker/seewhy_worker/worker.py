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

from seewhy.errors import LedgerUnavailable
from seewhy.hints import WORK, Bell, consume, create_celery
from seewhy.ledger.records import hint_queue, lanes_of
from seewhy.ledger.redis import open_ledger
from seewhy.objects.adapter import open_store
from seewhy.settings import Settings
from seewhy_worker.device import Device
from seewhy_worker.drain import Drain, Stations
from seewhy_worker.explained import ExplainerPort
from seewhy_worker.intake import Intake
from seewhy_worker.leases import Leases
from seewhy_worker.publication import Publication
from seewhy_worker.tuning import tune_process
from seewhy_worker.watchdog import Watchdog

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery application whose one task drains lanes, and what runs beside it."""

    celery: Celery
    drain: Drain
    leases: Leases
    watchdog: Watchdog
    lanes: tuple[str, ...]
    in_flight: int

    def run(self) -> None:
        """Consume hints until SIGTERM, then finish what is on the device and give the rest back.

        Ends the process with `seewhy_worker.watchdog.HUNG` when the device does not answer.
        """
        tune_process()
        self.leases.start()
        self.watchdog.start()
        signals.worker_shutting_down.connect(self._shutting_down, weak=False)
        try:
            consume(self.celery, list(map(hint_queue, self.lanes)), threads=self.in_flight)
        finally:
            self.watchdog.stop()
            self.leases.stop()

    def _shutting_down(self, **_: Any) -> None:
        self.drain.stop()


def create_worker(settings: Settings, *, explainers: Mapping[str, ExplainerPort]) -> Worker:
    """Wire a worker around resident explainers, by model name. Nothing is contacted yet."""
    ledger = open_ledger(settings)
    store = open_store(settings)
    lanes = tuple(lane for name in explainers for lane in lanes_of(name))
    celery = create_celery(settings.redis_url, lanes=lanes)
    leases = Leases(ledger=ledger, lease_s=settings.lease_s)
    watchdog = Watchdog(timeout_s=settings.device_timeout_s)
    stations = Stations(
        ledger=ledger,
        outbox=ledger.outbox,
        bell=Bell(celery),
        store=store,
        leases=leases,
        intake=Intake(store=store, max_pixels=settings.max_pixels),
        devices={
            name: Device(explainer, max_batch=settings.max_batch, watchdog=watchdog)
            for name, explainer in explainers.items()
        },
        publication=Publication(store=store, versions=_versions()),
    )
    drain = Drain(
        stations,
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        helpers=ThreadPoolExecutor(max_workers=2 * settings.max_batch, thread_name_prefix="side"),
        report_within_s=settings.lease_s,
    )
    _register(celery, drain)
    return Worker(celery, drain, leases, watchdog, lanes, settings.in_flight)


def _register(celery: Celery, drain: Drain) -> None:
    @celery.task(name=WORK)
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
