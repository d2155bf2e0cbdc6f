"""The formulas of capacity planning."""

import pytest

from seewhy.capacity import formulas
from seewhy.capacity.profiles import DeviceProfile
from seewhy.capacity.quantities import parse_duration_s, parse_rate
from seewhy.capacity.resources import Prices, Traffic, cost_per_million, resources_for


def test_a_device_is_faster_in_full_batches() -> None:
    device = DeviceProfile(overhead_s=0.08, image_s=0.04, max_batch=8)
    assert device.batch_s(1) == pytest.approx(0.12)
    assert device.images_per_s == pytest.approx(20)


def test_workers_are_busy_for_at_most_the_utilization() -> None:
    assert formulas.workers_needed(500, 250, utilization=0.7) == 3
    assert formulas.workers_needed(350, 250, utilization=0.7) == 2
    assert formulas.workers_needed(0.001, 250, utilization=0.7) == 1
    with pytest.raises(ValueError, match="between 0 and 1"):
        formulas.workers_needed(500, 250, utilization=1)


def test_waits_of_one_and_several_servers_are_those_of_the_textbooks() -> None:
    assert formulas.mmc_wait_s(0.8, 1, servers=1) == pytest.approx(4)
    assert formulas.mmc_wait_s(1.6, 1, servers=2) == pytest.approx(16 / 9)
    assert formulas.mdc_wait_s(0.8, 1, servers=1) == pytest.approx(2)
    with pytest.raises(ValueError, match=r"load is 1\.00"):
        formulas.mmc_wait_s(1, 1, servers=1)


def test_the_bound_of_batches_without_a_limit_grows_with_the_load() -> None:
    idle, busy = (
        formulas.batching_latency_bound_s(rate, overhead_s=0.08, image_s=0.04)
        for rate in (1e-6, 20)
    )
    assert idle == pytest.approx(1.5 * 0.08 + 0.04, rel=1e-4)
    assert busy == pytest.approx(1.5 * 0.08 / 0.2 + 0.02 * 2.8 / 0.36)


def test_a_surge_leaves_a_backlog_that_more_workers_drain() -> None:
    backlog = formulas.surge_backlog(150, 60, capacity=100)
    assert backlog == 3000
    assert formulas.surge_backlog(80, 60, capacity=100) == 0
    assert formulas.drain_s(backlog, rate=150, capacity=200) == 60
    with pytest.raises(ValueError, match="never drains: 150 jobs arrive"):
        formulas.drain_s(backlog, rate=150, capacity=150)


def test_workers_without_scaling_keep_the_wait() -> None:
    workers = formulas.workers_without_scaling(150, 60, worker_rate=10, max_wait_s=15)
    backlog = formulas.surge_backlog(150, 60, capacity=workers * 10)
    assert workers == 12
    assert backlog / (workers * 10) == pytest.approx(15)


def test_bursts_and_even_service_change_the_wait_of_poisson_arrivals() -> None:
    assert formulas.variability_factor(1, 1) == 1
    assert formulas.variability_factor(1, 0) == 0.5
    assert formulas.variability_factor(2, 0) == 2


def test_redis_servers_follow_the_time_of_a_job_and_the_memory_of_the_retention() -> None:
    assert formulas.ledger_shards(1000, cpu_s=0.0005) == 1
    assert formulas.ledger_shards(1201, cpu_s=0.0005) == 2
    needs = resources_for(100, Traffic(retention_s=3600, redis_bytes=5e8))
    assert needs.redis_memory_bytes == 100 * 3600 * 2000
    assert (needs.redis_by_cpu, needs.redis_by_memory, needs.redis_servers) == (1, 2, 2)


def test_the_first_limit_is_the_one_of_the_lowest_rate() -> None:
    first, *others = resources_for(10, Traffic()).limits
    assert first.part == "memory of Redis"
    assert first.rate == pytest.approx(4e9 / 2000 / (7 * 86_400))
    assert all(first.rate < limit.rate for limit in others)


def test_costs_are_per_million_and_of_known_prices_only() -> None:
    traffic = Traffic(reads=2, result_bytes=50_000)
    prices = Prices(worker_hour=3.6, million_puts=5, million_gets=0.4, gb_out=0.1)
    assert cost_per_million(1000, workers=10, traffic=traffic, prices=prices) == {
        "workers": pytest.approx(10),
        "puts": 25,
        "gets": pytest.approx(1.2),
        "network": pytest.approx(10),
    }
    assert cost_per_million(1000, workers=10, traffic=traffic, prices=Prices()) == {}


@pytest.mark.parametrize(
    ("text", "per_s"),
    [("500/s", 500), ("30M/day", 30e6 / 86_400), ("1e9/d", 1e9 / 86_400), ("6k/min", 100)],
)
def test_rates_are_read_as_people_write_them(text: str, per_s: float) -> None:
    assert parse_rate(text) == pytest.approx(per_s)


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("2s", 2), ("1.5min", 90), ("7d", 604_800)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["500", "0/s", "-1/s", "1e999/s", "fast", "5/week", ""])
def test_other_texts_are_no_rates(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate: give a number"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["2", "1e999s", "soon", "-1s", "3w"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: give a number"):
        parse_duration_s(text)
