"""The one place where a courier process is put together."""

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
from seewhy.schemas.webhook_secrets import parse_secrets
from seewhy.settings import Settings
from seewhy_api.webhooks.client import WebhookClient
from seewhy_api.webhooks.dispatcher import AT_ONCE, WebhookDispatcher
from seewhy_api.webhooks.retry_policy import DELAYS_S
from seewhy_api.webhooks.signing import Signer

TURNS = 8
"""Origins that one process calls at the same time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DispatcherProcess:
    """A Celery application whose one task takes turns at webhooks."""

    celery: Celery
    courier: WebhookDispatcher

    def run(self) -> None:
        """Deliver until SIGTERM, then finish the posts under way and give the others back."""
        signals.worker_shutting_down.connect(self._shutting_down, weak=False)
        run_consumer(self.celery, [DISPATCHER_QUEUE], threads=TURNS)

    def _shutting_down(self, **_: Any) -> None:
        self.courier.stop()


def create_dispatcher(
    settings: Settings,
    *,
    outbox: Outbox | None = None,
    postman: WebhookClient | None = None,
    delays_s: Sequence[float] = DELAYS_S,
) -> DispatcherProcess:
    """Wire a courier to the servers that the settings name. Nothing is contacted yet.

    Raises `SettingsError` when there is nothing to sign with.
    """
    if settings.webhook_secrets is None:
        raise SettingsError("SEEWHY_WEBHOOK_SECRETS is not set: `seewhy webhooks secret` makes one")
    courier = WebhookDispatcher(
        outbox=outbox or open_ledger(settings).outbox,
        postman=postman or WebhookClient(networks=settings.webhook_allowed_networks),
        signer=Signer(parse_secrets(settings.webhook_secrets.get_secret_value())),
        helpers=ThreadPoolExecutor(TURNS * AT_ONCE, thread_name_prefix="post"),
        delays_s=delays_s,
    )
    celery = create_celery(settings.redis_url, lanes=[])
    _register(celery, courier)
    return DispatcherProcess(celery, courier)


def _register(celery: Celery, courier: WebhookDispatcher) -> None:
    @celery.task(name=DELIVER_WEBHOOKS_TASK)
    def deliver() -> None:
        try:
            courier.deliver()
        except LedgerUnavailable as error:
            _log.warning("left webhooks, the sweep will ring again: %s", error)
        except MemoryError:
            # Celery 5.7 never acknowledges a task that ends so, and the slot is lost for good.
            _log.exception("out of memory while delivering webhooks; they are due again")
