"""The one place where a courier process is put together."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals

from seewhy.errors import LedgerUnavailable, SettingsError
from seewhy.hints import DELIVER, consume, create_celery
from seewhy.ledger.outbox import Outbox
from seewhy.ledger.records import COURIER_QUEUE
from seewhy.ledger.redis import open_ledger
from seewhy.settings import Settings
from seewhy.webhooks import secrets_in
from seewhy_api.courier.courier import AT_ONCE, Courier
from seewhy_api.courier.posting import Postman
from seewhy_api.courier.schedule import DELAYS_S
from seewhy_api.courier.signing import Signer

TURNS = 8
"""Origins that one process calls at the same time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CourierProcess:
    """A Celery application whose one task takes turns at webhooks."""

    celery: Celery
    courier: Courier

    def run(self) -> None:
        """Deliver until SIGTERM, then finish the posts under way and give the others back."""
        signals.worker_shutting_down.connect(self._shutting_down, weak=False)
        consume(self.celery, [COURIER_QUEUE], threads=TURNS)

    def _shutting_down(self, **_: Any) -> None:
        self.courier.stop()


def create_courier(
    settings: Settings,
    *,
    outbox: Outbox | None = None,
    postman: Postman | None = None,
    delays_s: Sequence[float] = DELAYS_S,
) -> CourierProcess:
    """Wire a courier to the servers that the settings name. Nothing is contacted yet.

    Raises `SettingsError` when there is nothing to sign with.
    """
    if settings.webhook_secrets is None:
        raise SettingsError("SEEWHY_WEBHOOK_SECRETS is not set: `seewhy webhooks secret` makes one")
    courier = Courier(
        outbox=outbox or open_ledger(settings).outbox,
        postman=postman or Postman(networks=settings.webhook_networks),
        signer=Signer(secrets_in(settings.webhook_secrets.get_secret_value())),
        helpers=ThreadPoolExecutor(TURNS * AT_ONCE, thread_name_prefix="post"),
        delays_s=delays_s,
    )
    celery = create_celery(settings.redis_url, lanes=[])
    _register(celery, courier)
    return CourierProcess(celery, courier)


def _register(celery: Celery, courier: Courier) -> None:
    @celery.task(name=DELIVER)
    def deliver() -> None:
        try:
            courier.deliver()
        except LedgerUnavailable as error:
            _log.warning("left webhooks, the sweep will ring again: %s", error)
        except MemoryError:
            # Celery 5.7 never acknowledges a task that ends so, and the slot is lost for good.
            _log.exception("out of memory while delivering webhooks; they are due again")
