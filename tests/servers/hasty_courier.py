"""A courier for whom three days are half a minute: `python hasty_courier.py`.

Waits, the time of an exchange and the time of a turn are cut; all else is the real one's.
"""

import logging

from seewhy.ledger.connection import connect
from seewhy.ledger.records import Policy
from seewhy.ledger.redis import RedisLedger
from seewhy.settings import load
from seewhy_api.courier.posting import Postman
from seewhy_api.courier.process import create_courier

DELAYS_S = (0, 0.25, 0.5, 1, 2, 3, 3, 3, 3, 3, 3, 3)
EXCHANGE_S = 1.5
TURN_MS = 6_000
"""Longer than any turn of these exchanges: a round that nobody answers is a turn's last."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = load()
    ledger = RedisLedger(connect(settings.redis_url), policy=Policy(turn_ms=TURN_MS))
    postman = Postman(networks=settings.webhook_networks, exchange_s=EXCHANGE_S)
    create_courier(settings, outbox=ledger.outbox, postman=postman, delays_s=DELAYS_S).run()


if __name__ == "__main__":
    main()
