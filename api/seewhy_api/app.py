"""The one place where an API process is put together."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response

from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.catalog.catalog import Catalog
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.retention import open_retention
from seewhy_api.background.retention import RetentionTask
from seewhy_api.background.sweeper import Sweeper
from seewhy_api.dependencies import Dependencies
from seewhy_api.http import problems
from seewhy_api.http.lookup import JobLookup
from seewhy_api.http.parsing import body_limit_bytes
from seewhy_api.routes.events import create_events
from seewhy_api.routes.explanations import create_explanations
from seewhy_api.routes.health import create_health
from seewhy_api.routes.models import create_models
from seewhy_api.routes.results import create_results
from seewhy_api.streaming.event_feed import EventFeed
from seewhy_api.streaming.long_poll import LongPoll


@dataclass(frozen=True, slots=True)
class Api:
    """A Flask application and the threads beside it."""

    flask: Flask
    tail: EventFeed
    sweeper: Sweeper
    forgetter: RetentionTask | None
    """None where the object store expires objects by itself."""

    def start(self, *, going: Callable[[], bool] = lambda: True) -> None:
        """Start the threads; after the fork, where a server forks.

        Whoever waits is sent home once `going` says that the process is to end.
        """
        self.tail.start(going=going)
        self.sweeper.start()
        if self.forgetter:
            self.forgetter.start()

    def stop(self) -> None:
        """Stop them."""
        self.tail.stop()
        self.sweeper.stop()
        if self.forgetter:
            self.forgetter.stop()


def create_api(settings: Settings) -> Api:
    """Wire an API to the servers that the settings name. Nothing is contacted yet."""
    catalog = Catalog.load(settings)
    catalog.get(settings.default_model)
    ledger = open_ledger(settings)
    lanes = [lane for name in catalog.names() for lane in lanes_of(name)]
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=lanes))
    tail = EventFeed(ledger=ledger)
    store = open_store(settings)
    recovery = Recovery(ledger=ledger, store=store, retention_s=settings.retention_s)
    parts = Dependencies(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        outbox=ledger.outbox,
        store=store,
        wakeups=wakeups,
        tail=tail,
        long_poll=LongPoll(ledger=ledger, tail=tail, waiters=settings.api_threads // 2),
        lookup=JobLookup(recovery=recovery, retention_s=settings.retention_s),
    )
    sweeper = Sweeper(
        ledger=ledger,
        outbox=ledger.outbox,
        store=store,
        wakeups=wakeups,
        recovery=recovery,
        interval_s=settings.sweep_interval_s,
    )
    expiry = open_retention(settings, job_exists=lambda job_id: ledger.read(job_id) is not None)
    forgetter = RetentionTask(expiry=expiry) if expiry else None
    return Api(create_app(parts), tail, sweeper, forgetter)


def create_app(parts: Dependencies) -> Flask:
    """Make the Flask application over these parts."""
    app = Flask("seewhy_api")
    app.config["MAX_CONTENT_LENGTH"] = body_limit_bytes(parts.settings.max_upload_bytes)
    app.config["MAX_FORM_PARTS"] = 4
    app.json.sort_keys = False  # type: ignore[attr-defined]
    problems.install(app)
    for blueprint in (
        create_explanations(parts),
        create_events(parts),
        create_results(parts),
        create_models(parts),
        create_health(parts),
    ):
        app.register_blueprint(blueprint)

    @app.after_request
    def nosniff(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
