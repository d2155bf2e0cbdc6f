"""A courier for whom three days are half a minute: `python hasty_courier.py`.

Waits, the time of an exchange and the time of a turn are cut; all else is the real one's.
"""

import logging

from seewhy.ledger.redis.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import LedgerPolicy
from seewhy.settings import load
from seewhy_api.webhooks.app import create_dispatcher
from seewhy_api.webhooks.client import WebhookClient

DELAYS_S = (0, 0.25, 0.5, 1, 2, 3, 3, 3, 3, 3, 3, 3)
EXCHANGE_S = 1.5
TURN_MS = 6_000
"""Longer than any turn of these exchanges: a round that nobody answers is a turn's last."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = load()
    ledger = RedisLedger(connect(settings.redis_url), policy=LedgerPolicy(turn_ms=TURN_MS))
    postman = WebhookClient(networks=settings.webhook_allowed_networks, exchange_s=EXCHANGE_S)
    create_dispatcher(settings, outbox=ledger.outbox, postman=postman, delays_s=DELAYS_S).run()


if __name__ == "__main__":
    main()
