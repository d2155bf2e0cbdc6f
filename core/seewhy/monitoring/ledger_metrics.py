"""The metrics of the ledger and of the Redis server that holds it.

They are read from Redis at each scrape, so every API process exposes the same values: combine them
with `max`, never with `sum`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.monitoring import MonitoredLedger, MonitoredServer
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import (
    DURATION_BUCKETS_MS,
    Durations,
    LaneStatus,
    LedgerStatus,
    ModelPresence,
    ServerStatus,
)
from seewhy.schemas.job import JobState, Priority

NO_JOBS = LaneStatus(
    open=0,
    ready=0,
    running=0,
    ready_cost=0,
    running_cost=0,
    oldest_ready_ms=0,
    longest_running_ms=0,
    unread_wakeups=0,
    pass_us=0,
)


LANE_METRICS: tuple[tuple[str, str, Callable[[LaneStatus], float]], ...] = (
    ("seewhy_jobs_open", "Jobs without an outcome.", lambda lane: lane.open),
    ("seewhy_jobs_ready", "Jobs that a worker may claim now.", lambda lane: lane.ready),
    ("seewhy_jobs_running", "Jobs that a worker has claimed.", lambda lane: lane.running),
    (
        "seewhy_backlog_passes",
        "Forward passes that the ready and running jobs are estimated to take.",
        lambda lane: lane.backlog_passes,
    ),
    (
        "seewhy_backlog_device_seconds",
        "Device time that the ready and running jobs are estimated to take.",
        lambda lane: lane.backlog_device_s,
    ),
    (
        "seewhy_oldest_ready_job_age_seconds",
        "Time since the submission of the oldest job that a worker may claim.",
        lambda lane: lane.oldest_ready_ms / 1000,
    ),
    (
        "seewhy_longest_running_job_seconds",
        "Time since the oldest claim of a running job.",
        lambda lane: lane.longest_running_ms / 1000,
    ),
    (
        "seewhy_wakeups_unread",
        "Wakeups that no worker has read yet.",
        lambda lane: lane.unread_wakeups,
    ),
)
"""Name, documentation and value of each metric of a lane."""


class RedisLedgerStatus(MonitoredLedger, MonitoredServer, Protocol):
    """Reads the ledger and its server."""


class LedgerCollector(Collector):
    """Reads the ledger at each scrape. While Redis is unavailable, says only that."""

    def __init__(
        self, *, ledger: RedisLedgerStatus, workers: WorkerRegistry, lanes: Sequence[str]
    ) -> None:
        """Show `lanes` also while they have no jobs, so that their series have no gaps."""
        self._ledger = ledger
        self._workers = workers
        self._lanes = tuple(lanes)

    def collect(self) -> Iterator[Metric]:
        """Read and yield all metrics."""
        started_s = time.perf_counter()
        try:
            status, server = self._ledger.status(), self._ledger.server_status()
            presence = self._workers.model_presence()
        except LedgerUnavailable:
            yield _gauge("seewhy_ledger_up", "Whether Redis answers: 1 or 0.", 0)
            return
        yield _gauge("seewhy_ledger_up", "Whether Redis answers: 1 or 0.", 1)
        yield from _job_totals(status)
        yield _duration_metric(status.durations)
        yield from _lane_metrics(dict.fromkeys(self._lanes, NO_JOBS) | status.lanes)
        yield from _backlogs(status)
        yield from _worker_metrics(presence)
        yield from _server_metrics(server)
        yield _gauge(
            "seewhy_ledger_scrape_duration_seconds",
            "The time that reading the metrics of the ledger took.",
            time.perf_counter() - started_s,
        )


def _job_totals(status: LedgerStatus) -> Iterator[Metric]:
    counts = status.counts
    yield _counter("seewhy_jobs_accepted", "Accepted jobs.", counts.accepted)
    ended = CounterMetricFamily("seewhy_jobs_ended", "Jobs with an outcome.", labels=["state"])
    for state in JobState:
        if state.terminal:
            ended.add_metric([state], counts.terminal.get(state, 0))
    yield ended
    yield _gauge(
        "seewhy_jobs_unaccounted",
        "Accepted jobs that are neither open nor have an outcome. Any value but 0 is an error.",
        counts.drift,
    )
    yield _counter(
        "seewhy_leases_expired",
        "Claims that workers lost without a report: they died or were cut off.",
        status.leases_expired,
    )


def _duration_metric(durations: dict[Priority, Durations]) -> Metric:
    family = HistogramMetricFamily(
        "seewhy_job_duration_seconds",
        "Time from the submission of a job to its success, without results from the cache.",
        labels=["priority"],
    )
    bounds = [str(bound / 1000) for bound in DURATION_BUCKETS_MS] + ["+Inf"]
    for priority, taken in durations.items():
        buckets = list(zip(bounds, accumulate(taken.counts), strict=True))
        family.add_metric([priority], buckets, sum_value=taken.sum_ms / 1000)
    return family


def _lane_metrics(lanes: dict[str, LaneStatus]) -> Iterator[Metric]:
    for name, documentation, value in LANE_METRICS:
        family = GaugeMetricFamily(name, documentation, labels=["lane"])
        for lane, lane_status in sorted(lanes.items()):
            family.add_metric([lane], value(lane_status))
        yield family


def _backlogs(status: LedgerStatus) -> Iterator[Metric]:
    deliveries = status.deliveries
    yield _gauge("seewhy_jobs_overdue", "Jobs that the next sweep examines.", status.overdue)
    yield _gauge("seewhy_dead_letters", "Failed jobs that nobody dismissed.", status.dead_letters)
    yield _gauge(
        "seewhy_outcomes_unarchived",
        "Outcomes that the object store does not have yet.",
        status.unarchived,
    )
    yield _gauge(
        "seewhy_batches_accepting",
        "Batches whose items are being submitted or cancelled.",
        status.accepting_batches,
    )
    yield _gauge(
        "seewhy_delivery_origins",
        "Receivers, by origin, with webhooks or pushes that wait.",
        deliveries.origins,
    )
    yield _gauge(
        "seewhy_delivery_delay_seconds",
        "How long the delivery that waits longest has been due.",
        deliveries.delay_ms / 1000,
    )
    yield _gauge(
        "seewhy_deliveries_undelivered",
        "Webhooks whose last attempt failed.",
        deliveries.undelivered,
    )


def _worker_metrics(presence: dict[str, ModelPresence]) -> Iterator[Metric]:
    serving = GaugeMetricFamily(
        "seewhy_workers",
        "Registered workers that serve a model: it is loaded, or they load it when its jobs wait. "
        "0 after the last one has left.",
        labels=["model"],
    )
    loaded = GaugeMetricFamily(
        "seewhy_workers_loaded", "Those of them that have it loaded.", labels=["model"]
    )
    for model, seen in sorted(presence.items()):
        serving.add_metric([model], seen.workers)
        loaded.add_metric([model], sum(seen.loaded.values()))
    yield serving
    yield loaded


def _server_metrics(server: ServerStatus) -> Iterator[Metric]:
    yield _gauge("seewhy_redis_memory_bytes", "Memory that Redis uses.", server.used_memory_bytes)
    yield _gauge(
        "seewhy_redis_memory_limit_bytes",
        "The memory limit of Redis; 0 means none.",
        server.max_memory_bytes,
    )
    yield _gauge("seewhy_redis_clients", "Connections to Redis.", server.clients)
    yield _counter(
        "seewhy_redis_evicted_keys",
        "Keys that Redis has evicted. Any eviction loses jobs.",
        server.evicted_keys,
    )
    yield _gauge(
        "seewhy_redis_persistent",
        "Whether the last writes of Redis to disk succeeded: 1 or 0.",
        int(server.is_persistent),
    )


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)
