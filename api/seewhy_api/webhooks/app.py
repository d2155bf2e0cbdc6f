"""Composition root of a webhook dispatcher process."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals

from seewhy.broker.wakeups import DELIVER_WEBHOOKS_TASK, create_celery, run_consumer
from seewhy.errors import LedgerUnavailable, SettingsError
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import DISPATCHER_QUEUE
from seewhy.monitoring.metrics_server import MetricsServer
from seewhy.monitoring.open_tracing import open_tracing
from seewhy.monitoring.tracing import Tracing
from seewhy.settings import Settings
from seewhy.webhook_secrets import parse_secrets
from seewhy_api.label_studio.pusher import create_pusher
from seewhy_api.webhooks.client import WebhookClient
from seewhy_api.webhooks.dispatcher import REQUESTS_PER_ORIGIN, WebhookDispatcher
from seewhy_api.webhooks.retry_policy import DELAYS_S
from seewhy_api.webhooks.signing import Signer

CONCURRENT_ORIGINS = 8
"""How many origins one process delivers to at the same time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DispatcherProcess:
    """A Celery application with one task: deliver webhooks."""

    celery: Celery
    dispatcher: WebhookDispatcher
    metrics: MetricsServer
    tracing: Tracing

    def run(self) -> None:
        """Deliver until SIGTERM, then finish open requests and return the other deliveries."""
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        self.metrics.start()
        try:
            run_consumer(self.celery, [DISPATCHER_QUEUE], threads=CONCURRENT_ORIGINS)
        finally:
            self.metrics.stop()
            self.tracing.stop()

    def _on_shutdown(self, **_: Any) -> None:
        self.dispatcher.stop()


def create_dispatcher(
    settings: Settings,
    *,
    outbox: Outbox | None = None,
    client: WebhookClient | None = None,
    delays_s: Sequence[float] = DELAYS_S,
) -> DispatcherProcess:
    """Build a dispatcher for the servers in `settings`, without connecting to any of them.

    Raises `SettingsError` when neither a signing secret nor a Label Studio is configured.
    """
    if not settings.needs_dispatcher:
        raise SettingsError(
            "SEEWHY_WEBHOOK_SECRETS is not set. Generate a secret with `seewhy webhooks secret`. "
            "For Label Studio, set SEEWHY_LABEL_STUDIO_URL, and SEEWHY_LABEL_STUDIO_API_KEY for "
            "predictions in it."
        )
    secrets = settings.webhook_secrets
    tracing = open_tracing(settings, service="dispatcher")
    dispatcher = WebhookDispatcher(
        outbox=outbox or open_ledger(settings).outbox,
        client=client or WebhookClient(networks=settings.webhook_allowed_networks),
        signer=Signer(parse_secrets(secrets.get_secret_value())) if secrets else None,
        pusher=create_pusher(settings),
        executor=ThreadPoolExecutor(
            CONCURRENT_ORIGINS * REQUESTS_PER_ORIGIN, thread_name_prefix="webhook"
        ),
        delays_s=delays_s,
        tracing=tracing,
    )
    celery = create_celery(settings.redis_url, lanes=[])
    _register_task(celery, dispatcher)
    metrics = MetricsServer(host=settings.metrics_host, first_port=settings.dispatcher_metrics_port)
    return DispatcherProcess(celery, dispatcher, metrics, tracing)


def _register_task(celery: Celery, dispatcher: WebhookDispatcher) -> None:
    @celery.task(name=DELIVER_WEBHOOKS_TASK, shared=False)  # with no other Celery of the process
    def deliver(*_: Any, **_future_arguments: Any) -> None:
        try:
            dispatcher.deliver()
        except LedgerUnavailable as error:
            _log.warning("Webhook delivery stopped; it resumes after the next sweep: %s", error)
        except MemoryError:
            # Celery 5.7 never acknowledges a task that raises MemoryError and loses its slot.
            _log.exception("Out of memory while delivering webhooks; they will be retried")
