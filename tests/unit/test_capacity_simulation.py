"""The simulation agrees with queueing theory, and follows the rules of the service."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.capacity import formulas
from seewhy.capacity.arrivals import Arrivals, renewal_times
from seewhy.capacity.autoscaling import AutoscalerPolicy
from seewhy.capacity.outcome import SimulationOutcome
from seewhy.capacity.profiles import CrashProfile, DeviceProfile, HostProfile, PoolProfile
from seewhy.capacity.simulation import simulate

EXPONENTIAL = tuple((-np.log(1 - (np.arange(2000) + 0.5) / 2000)).tolist())
"""Quantiles of the exponential distribution of mean 1."""
DEVICE = DeviceProfile(overhead_s=0.08, image_s=0.04, max_batch=8)


def poisson(rate: float, jobs: int, *, seed: int = 1) -> Arrivals:
    return Arrivals(times_s=renewal_times(rate, jobs / rate, np.random.default_rng(seed)))


def single_servers(count: int, *, jitter: tuple[float, ...] = (1.0,)) -> PoolProfile:
    """Servers that take one job at a time, for one second."""
    device = DeviceProfile(overhead_s=0, image_s=1, max_batch=1, jitter=jitter)
    return PoolProfile(device=device, workers=count, threads=1)


def run_at(times_s: Sequence[float], pool: PoolProfile, **fields: object) -> SimulationOutcome:
    arrays = {name: np.array(values) for name, values in fields.items()}
    return simulate(pool, Arrivals(times_s=np.array(times_s, dtype=float), **arrays))


@pytest.mark.parametrize("servers", [1, 4])
def test_exponential_service_times_wait_as_in_mmc(servers: int) -> None:
    outcome = simulate(single_servers(servers, jitter=EXPONENTIAL), poisson(0.6 * servers, 60_000))
    expected_s = formulas.mmc_wait_s(0.6 * servers, 1, servers=servers)
    assert outcome.waits_s.mean() == pytest.approx(expected_s, rel=0.08)


@pytest.mark.parametrize("servers", [1, 4])
def test_constant_service_times_wait_as_in_mdc(servers: int) -> None:
    outcome = simulate(single_servers(servers), poisson(0.6 * servers, 60_000))
    expected_s = formulas.mdc_wait_s(0.6 * servers, 1, servers=servers)
    assert outcome.waits_s.mean() == pytest.approx(expected_s, rel=0.08)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
def test_batches_without_a_limit_stay_just_below_their_bound(load: float) -> None:
    device = DeviceProfile(overhead_s=0.08, image_s=0.04, max_batch=1_000_000)
    pool = PoolProfile(device=device, workers=1, threads=1)
    mean_s = simulate(pool, poisson(load / 0.04, 60_000)).latencies_s.mean()
    bound_s = formulas.batching_latency_bound_s(load / 0.04, overhead_s=0.08, image_s=0.04)
    assert 0.85 * bound_s < mean_s < 1.02 * bound_s


def test_littles_law_holds() -> None:
    outcome = simulate(PoolProfile(device=DEVICE, workers=2), poisson(28, 10_000))
    times_s = np.linspace(outcome.arrived_s[0], outcome.end_s, 20_000)
    sampled = outcome.open_jobs(times_s).mean()
    assert sampled == pytest.approx(outcome.mean_open_jobs(), rel=0.01)


def test_a_saturated_pool_runs_full_batches_at_the_rate_of_its_devices() -> None:
    outcome = run_at([0.0] * 1600, PoolProfile(device=DEVICE, workers=4))
    assert outcome.mean_batch == pytest.approx(8, rel=0.1)
    assert outcome.throughput(1, 19) == pytest.approx(80, rel=0.03)


def test_a_single_job_passes_every_stage() -> None:
    host = HostProfile(
        submit_cpu_s=0.001, fetch_cpu_s=0.002, publish_cpu_s=0.003,
        submit_s=0.01, wakeup_s=0.02, fetch_s=0.03, publish_s=0.04, cores=2,
    )  # fmt: skip
    outcome = run_at([1.0], PoolProfile(device=DEVICE, workers=1, host=host))
    assert outcome.claimed_s[0] == pytest.approx(1 + 0.001 + 0.01 + 0.02)
    assert outcome.latencies_s[0] == pytest.approx(0.006 + 0.1 + 0.12)


def test_the_cores_of_the_host_limit_the_pool() -> None:
    host = HostProfile(publish_cpu_s=0.1, cores=2)
    outcome = run_at([0.0] * 400, PoolProfile(device=DEVICE, workers=8, host=host))
    assert outcome.throughput(1, outcome.end_s) == pytest.approx(20, rel=0.05)


def test_the_interactive_lane_goes_first_and_tenants_take_turns() -> None:
    device = DeviceProfile(overhead_s=0, image_s=1, max_batch=1)
    pool = PoolProfile(device=device, workers=1, threads=1)
    outcome = run_at([0, 0, 0, 0, 0, 0], pool, lanes=[1, 1, 1, 1, 1, 0], tenants=[1, 1, 1, 1, 2, 3])
    assert np.argsort(outcome.finished_s).tolist() == [5, 0, 4, 1, 2, 3]


def test_a_turn_costs_what_its_job_costs() -> None:
    device = DeviceProfile(overhead_s=0, image_s=1, max_batch=1)
    pool = PoolProfile(device=device, workers=1, threads=1)
    outcome = run_at(
        [0] * 8, pool, tenants=[0, 1, 1, 2, 2, 2, 2, 2], costs=[1, 3, 3, 1, 1, 1, 1, 1]
    )
    assert np.argsort(outcome.finished_s).tolist() == [0, 1, 3, 4, 5, 2, 6, 7]


def test_jobs_beyond_the_limits_are_refused() -> None:
    pool = PoolProfile(device=DEVICE, workers=1, lane_limit=5, tenant_limit=3)
    outcome = run_at([0.0] * 8, pool, tenants=[1, 1, 1, 1, 1, 2, 2, 2])
    assert np.isnan(outcome.finished_s).tolist() == [*[False] * 3, *[True] * 2, *[False] * 2, True]
    assert outcome.refused == 3


def test_lingering_fills_batches_and_delays_single_jobs() -> None:
    times_s = [0.0, 0.01, 0.02, 5.0]
    at_once = run_at(times_s, PoolProfile(device=DEVICE, workers=1))
    lingering = run_at(times_s, PoolProfile(device=DEVICE, workers=1, linger_s=0.05))
    assert (at_once.batches, lingering.batches) == (4, 2)
    assert lingering.latencies_s[3] == pytest.approx(at_once.latencies_s[3] + 0.05)


def test_jobs_of_dead_workers_run_again_alone_after_their_lease() -> None:
    crashes = CrashProfile(per_hour=60, lease_s=30, sweep_s=5, restart_s=10)
    pool = PoolProfile(device=DEVICE, workers=2, crashes=crashes)
    outcome = simulate(pool, poisson(20, 10_000))
    assert outcome.crashes > 5
    assert outcome.refused == 0
    assert outcome.latencies_s.max() > 30


@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 300),
    st.sampled_from([0.0, 0.03]),
    st.integers(0, 1000),
)
def test_every_job_ends_exactly_once(
    workers: int, threads: int, crashes_per_hour: int, linger_s: float, seed: int
) -> None:
    pool = PoolProfile(
        device=DEVICE,
        workers=workers,
        threads=threads,
        linger_s=linger_s,
        host=HostProfile(submit_cpu_s=0.001, publish_cpu_s=0.002, wakeup_s=0.004, cores=2),
        crashes=CrashProfile(per_hour=crashes_per_hour),
    )
    outcome = simulate(pool, poisson(15 * workers, 300, seed=seed), seed=seed)
    assert not np.isnan(outcome.finished_s).any()
    assert np.all(outcome.claimed_s >= outcome.arrived_s)
    assert np.all(outcome.finished_s >= outcome.claimed_s + DEVICE.batch_s(1) - 1e-9)


def test_the_same_seed_gives_the_same_outcome() -> None:
    device = DeviceProfile(overhead_s=0.08, image_s=0.04, jitter=(0.9, 1.0, 1.3))
    pool = PoolProfile(device=device, workers=2, crashes=CrashProfile(per_hour=60))
    one, other = (simulate(pool, poisson(20, 1000), seed=3) for _ in range(2))
    assert np.array_equal(one.finished_s, other.finished_s)


def test_an_autoscaled_pool_follows_the_load_after_its_cold_start() -> None:
    rng = np.random.default_rng(1)
    steps = [(5, 120, 0), (60, 240, 120), (5, 900, 360)]
    times_s = np.concatenate(
        [renewal_times(rate, duration, rng, start_s=start) for rate, duration, start in steps]
    )
    policy = AutoscalerPolicy(target=400, max_workers=8, cold_start_s=45)
    pool = PoolProfile(device=DEVICE, workers=1, autoscaler=policy)
    outcome = simulate(pool, Arrivals(times_s=times_s))
    (_, first), (grown_s, _) = outcome.workers[0], outcome.workers[1]
    assert first == 1
    assert 120 < grown_s <= 120 + 2 * 15
    assert max(count for _, count in outcome.workers) in range(4, 9)
    assert outcome.workers[-1][1] == 1
    assert outcome.worker_s < 8 * outcome.end_s


def test_bursty_arrivals_have_the_rate_and_the_variation_asked_for() -> None:
    times_s = renewal_times(50, 2000, np.random.default_rng(1), variation=2)
    gaps_s = np.diff(times_s)
    assert len(times_s) == pytest.approx(100_000, rel=0.03)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(2, rel=0.05)


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        Arrivals(times_s=np.array([2.0, 1.0]))
    with pytest.raises(ValueError, match="one tenant"):
        Arrivals(times_s=np.array([1.0, 2.0]), tenants=np.array([1]))
    with pytest.raises(ValueError, match="some time"):
        DeviceProfile(overhead_s=0, image_s=0)
    with pytest.raises(ValueError, match="needs a worker"):
        PoolProfile(device=DEVICE, workers=0)
    with pytest.raises(ValueError, match="min_workers <= max_workers"):
        AutoscalerPolicy(target=1, min_workers=3, max_workers=2)
    with pytest.raises(ValueError, match="variation"):
        renewal_times(1, 1, np.random.default_rng(1), variation=0)
