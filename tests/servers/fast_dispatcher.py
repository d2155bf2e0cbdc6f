"""A webhook dispatcher with short delays: `python -m servers.fast_dispatcher`.

The retry delays, the request timeout and the origin lease are short; all else is the real one's.
"""

from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import LedgerPolicy
from seewhy.logs.configuration import configure_logging
from seewhy.settings import load
from seewhy_api.webhooks.app import create_dispatcher
from seewhy_api.webhooks.client import WebhookClient

DELAYS_S = (0, 0.25, 0.5, 1, 2, 3, 3, 3, 3, 3, 3, 3)
REQUEST_TIMEOUT_S = 1.5
ORIGIN_LEASE_MS = 6_000
"""Longer than one lease needs: it ends after the first batch of requests without an answer."""


def main() -> None:
    """Deliver until SIGTERM."""
    settings = load()
    configure_logging(settings.log_format)
    ledger = RedisLedger(
        connect(settings.redis_url), policy=LedgerPolicy(origin_lease_ms=ORIGIN_LEASE_MS)
    )
    client = WebhookClient(networks=settings.webhook_allowed_networks, timeout_s=REQUEST_TIMEOUT_S)
    create_dispatcher(settings, outbox=ledger.outbox, client=client, delays_s=DELAYS_S).run()


if __name__ == "__main__":
    main()
