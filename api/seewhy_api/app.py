"""Composition root of an API process."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flask import Flask

from seewhy.access.key_ring import KeyRing
from seewhy.access.key_store import KeyStore
from seewhy.batches.batches import create_batches
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.catalog.catalog import Catalog
from seewhy.estimates.forecaster import Forecaster, create_forecaster
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.jobs.dead_letters import DeadLetters
from seewhy.jobs.image_keys import image_keys_of
from seewhy.jobs.image_sources import ImageResolver
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter
from seewhy.jobs.submit_service import SubmitService
from seewhy.jobs.uploads import ImageUploads
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.monitoring.ledger_metrics import LedgerCollector
from seewhy.monitoring.metrics_server import MetricsServer
from seewhy.monitoring.open_tracing import open_tracing
from seewhy.monitoring.status_reader import StatusReader
from seewhy.monitoring.tracing import Tracing
from seewhy.settings import Settings
from seewhy.storage.image_buckets import ImageBuckets
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from seewhy.storage.retention import open_retention
from seewhy_api.background.acceptor import AcceptorTask
from seewhy_api.background.key_use import KeyUseRecorder
from seewhy_api.background.retention import RetentionTask
from seewhy_api.background.sweeper import Sweeper
from seewhy_api.flask_app import create_flask
from seewhy_api.http import auth
from seewhy_api.http.lookup import JobLookup
from seewhy_api.http.request_metrics import SlotCollector
from seewhy_api.http.served_models import ServedModels
from seewhy_api.http.slots import batch_download_slots, drawing_slots, stream_slots
from seewhy_api.label_studio.backend import LabelStudioBackend, create_backend
from seewhy_api.label_studio.event_inbox import EventInbox
from seewhy_api.outgoing.image_downloads import ImageDownloads
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.streaming.event_feed import EventFeed
from seewhy_api.streaming.long_poll import LongPoll

RENDERING_TIMEOUT_S = 10.0
"""How long a request waits for its turn to decode and draw an image."""
DRAWING_THREADS = max(1, (os.cpu_count() or 1) // 2)
"""How many images are drawn at once: drawing occupies a core, which submissions and polls need."""


@dataclass(frozen=True, slots=True)
class Api:
    """A Flask application and its background threads."""

    flask: Flask
    keys: KeyRing
    key_use: KeyUseRecorder
    event_feed: EventFeed
    sweeper: Sweeper
    acceptor: AcceptorTask
    annotations: EventInbox | None
    """None without a Label Studio."""
    retention: RetentionTask | None
    """None when the object store expires objects itself."""
    metrics: MetricsServer
    tracing: Tracing

    def start(self, *, is_running: Callable[[], bool] = lambda: True) -> None:
        """Start the threads; a server that forks must call this after the fork.

        Blocked requests return once `is_running` returns False.
        """
        self.event_feed.start(is_running=is_running)
        self.metrics.start()
        for task in self._tasks():
            task.start()

    def stop(self) -> None:
        """Stop the threads."""
        self.event_feed.stop()
        self.metrics.stop()
        for task in self._tasks():
            task.stop()
        self.tracing.stop()

    def _tasks(
        self,
    ) -> Iterator[Sweeper | AcceptorTask | KeyUseRecorder | EventInbox | RetentionTask]:
        yield from (self.sweeper, self.acceptor, self.key_use)
        yield from (task for task in (self.annotations, self.retention) if task)


def create_api(settings: Settings, *, tracing: Tracing | None = None) -> Api:
    """Build an API for the servers in `settings`, without connecting to any of them."""
    tracing = tracing or open_tracing(settings, service="api")
    catalog = Catalog.load(settings)
    catalog.get(settings.default_model)  # refuse an unknown default model at start-up
    ledger = open_ledger(settings)
    lanes = [lane for name in catalog.names() for lane in lanes_of(name)]
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=lanes))
    event_feed = EventFeed(ledger=ledger)
    store = open_store(settings)
    recovery = Recovery(ledger=ledger, store=store, retention_s=settings.retention_s)
    deps = _create_dependencies(
        settings,
        catalog=catalog,
        ledger=ledger,
        store=store,
        wakeups=wakeups,
        event_feed=event_feed,
        recovery=recovery,
    )
    label_studio = _create_label_studio(deps)
    sweeper = Sweeper(
        ledger=ledger,
        outbox=ledger.outbox,
        store=store,
        wakeups=wakeups,
        recovery=recovery,
        interval_s=settings.sweep_interval_s,
    )
    retention = open_retention(
        settings,
        job_exists=lambda job_id: bool(ledger.read(job_id) or ledger.batches.read(job_id)),
        image_keys_of=image_keys_of,
    )
    keys = KeyRing(KeyStore(store))
    key_use = KeyUseRecorder(ledger.key_use)
    authenticator = auth.Authenticator(settings=settings, keys=keys, note_use=key_use.note)
    return Api(
        flask=create_flask(deps, label_studio, authenticator, tracing),
        keys=keys,
        key_use=key_use,
        event_feed=event_feed,
        sweeper=sweeper,
        acceptor=AcceptorTask(deps.batches.acceptor),
        annotations=label_studio.inbox,
        retention=RetentionTask(retention=retention) if retention else None,
        metrics=_create_metrics_server(deps, ledger, lanes),
        tracing=tracing,
    )


def _create_metrics_server(
    deps: Dependencies, ledger: RedisLedger, lanes: Sequence[str]
) -> MetricsServer:
    slots = {
        "streams": deps.streams,
        "drawings": deps.drawings,
        "batch_downloads": deps.batch_downloads,
    }
    return MetricsServer(
        host=deps.settings.metrics_host,
        first_port=deps.settings.api_metrics_port,
        collectors=[
            LedgerCollector(ledger=ledger, workers=ledger.workers, lanes=lanes),
            SlotCollector(slots),
        ],
    )


def _create_dependencies(
    settings: Settings,
    *,
    catalog: Catalog,
    ledger: RedisLedger,
    store: ObjectStore,
    wakeups: WakeupPublisher,
    event_feed: EventFeed,
    recovery: Recovery,
) -> Dependencies:
    images = _create_resolver(settings, store)
    served_models = ServedModels(
        registry=ledger.workers, refuse_after_s=settings.refuse_unserved_after_s
    )
    forecaster = create_forecaster(settings, ledger, presence_of=served_models.presence)
    submitter = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)
    submit_service = _create_submit_service(
        settings,
        catalog=catalog,
        ledger=ledger,
        images=images,
        submitter=submitter,
        recovery=recovery,
        require_served=served_models.require,
        forecaster=forecaster,
    )
    batches = create_batches(
        settings,
        batches=ledger.batches,
        ledger=ledger,
        store=store,
        images=images,
        submit_service=submit_service,
        wakeups=wakeups,
        recovery=recovery,
    )
    return Dependencies(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        outbox=ledger.outbox,
        workers=ledger.workers,
        store=store,
        uploads=ImageUploads(images=images, ledger=ledger.uploads),
        submit_service=submit_service,
        status_reader=StatusReader(ledger=ledger, store=store, lease_s=settings.lease_s),
        dead_letters=DeadLetters(ledger=ledger, store=store, submitter=submitter),
        batches=batches,
        wakeups=wakeups,
        event_feed=event_feed,
        long_poll=_create_long_poll(settings, ledger, event_feed),
        recovery=recovery,
        lookup=_create_lookup(settings, ledger, recovery),
        pixels=_create_pixel_budget(settings),
        streams=stream_slots(settings),
        drawings=drawing_slots(settings),
        batch_downloads=batch_download_slots(settings),
        served_models=served_models,
        forecaster=forecaster,
    )


def _create_label_studio(deps: Dependencies) -> LabelStudioBackend:
    return create_backend(
        deps.settings,
        catalog=deps.catalog,
        store=deps.store,
        submit_service=deps.submit_service,
        wakeups=deps.wakeups,
        read_job=lambda job_id, wait_s: deps.long_poll.read_job(job_id, wait_s=wait_s),
        pixels=deps.pixels,
    )


def _create_submit_service(
    settings: Settings,
    *,
    catalog: Catalog,
    ledger: RedisLedger,
    images: ImageResolver,
    submitter: JobSubmitter,
    recovery: Recovery,
    require_served: Callable[[str], None],
    forecaster: Forecaster,
) -> SubmitService:
    return SubmitService(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        images=images,
        submitter=submitter,
        recovery=recovery,
        require_served=require_served,
        cost_of=forecaster.cost_of,
    )


def _create_long_poll(settings: Settings, ledger: RedisLedger, feed: EventFeed) -> LongPoll:
    return LongPoll(ledger=ledger, event_feed=feed, max_waiting=settings.api_threads // 2)


def _create_pixel_budget(settings: Settings) -> PixelBudget:
    return PixelBudget(
        pixels=settings.api_megapixels * 1_000_000,
        max_holders=DRAWING_THREADS,
        timeout_s=RENDERING_TIMEOUT_S,
    )


def _create_lookup(settings: Settings, ledger: RedisLedger, recovery: Recovery) -> JobLookup:
    return JobLookup(
        ledger=ledger, batches=ledger.batches, recovery=recovery, retention_s=settings.retention_s
    )


def _create_resolver(settings: Settings, store: ObjectStore) -> ImageResolver:
    return ImageResolver(
        settings=settings,
        store=store,
        downloads=ImageDownloads(settings),
        buckets=ImageBuckets(settings),
    )
