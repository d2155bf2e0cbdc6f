"""The metrics of a webhook dispatcher."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from prometheus_client import Counter, Histogram

from seewhy.ledger.types import Attempt, Delivery
from seewhy_api.label_studio.push import SCHEME

ATTEMPTS = Counter(
    "seewhy_delivery_attempts",
    "Deliveries that were tried, by what is delivered and the result.",
    labelnames=["kind", "result"],
)
DURATION = Histogram(
    "seewhy_delivery_duration_seconds",
    "Time that a delivery took until its answer.",
    labelnames=["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)


def count_attempts(origin: str, attempts: Sequence[Attempt]) -> None:
    """Count the attempts at one origin."""
    for attempt in attempts:
        ATTEMPTS.labels(_kind_of(origin), attempt.result).inc()


def timed(delivery: Delivery) -> AbstractContextManager[None]:
    """Observe the time of the block as that of a delivery."""
    webhook = delivery.record.webhook
    return DURATION.labels(_kind_of(webhook.url if webhook else "")).time()


def _kind_of(url: str) -> str:
    return "label_studio" if url.startswith(SCHEME) else "webhook"
