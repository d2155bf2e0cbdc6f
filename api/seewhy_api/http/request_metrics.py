"""Metrics of HTTP requests: how many, how long, and what was refused."""

import time
from collections.abc import Iterator, Mapping
from http import HTTPMethod

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from seewhy_api.http.slots import ClientSlots

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter(
    "seewhy_http_requests", "Answered requests.", labelnames=["method", "route", "status"]
)
DURATION = Histogram(
    "seewhy_http_request_duration_seconds",
    "Time from the complete request to the response's header, without requests that wait for an "
    "outcome (`wait`).",
    labelnames=["method", "route"],
    buckets=BUCKETS_S,
)
PROBLEMS = Counter(
    "seewhy_http_problems", "Answers that are problems, by their code.", labelnames=["code"]
)

_METHODS = frozenset(HTTPMethod)


def install(app: Flask) -> None:
    """Count and time every request."""
    app.before_request(_start)
    app.after_request(_observe)


class SlotCollector(Collector):
    """Shows how much of each limit on concurrent use is taken."""

    def __init__(self, slots: Mapping[str, ClientSlots]) -> None:
        """Show these limits under their names."""
        self._slots = slots

    def collect(self) -> Iterator[Metric]:
        """Yield both metrics."""
        used = GaugeMetricFamily(
            "seewhy_http_slots_used", "What is open of a limited kind.", labels=["kind"]
        )
        limit = GaugeMetricFamily(
            "seewhy_http_slots_limit", "How much of a kind may be open.", labels=["kind"]
        )
        for kind, slots in self._slots.items():
            used.add_metric([kind], slots.used)
            limit.add_metric([kind], slots.total)
        yield from (used, limit)


def _start() -> None:
    g.request_started_s = time.perf_counter()


def _observe(response: Response) -> Response:
    # Routes and methods that do not exist share one series: clients choose them.
    route = request.url_rule.rule if request.url_rule else "unknown"
    method = request.method if request.method in _METHODS else "unknown"
    REQUESTS.labels(method, route, response.status_code).inc()
    started_s = g.get("request_started_s")
    if started_s is not None and "wait" not in request.args:
        DURATION.labels(method, route).observe(time.perf_counter() - started_s)
    return response
