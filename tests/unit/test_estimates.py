"""Estimates: the cost of jobs, the speed of workers, and ends compared with a simulated service."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_harness import MemoryHarness
from optionals import present
from seewhy.errors import LedgerUnavailable
from seewhy.estimates.eta import Eta, Speed, after_load, estimate
from seewhy.estimates.job_cost import job_cost
from seewhy.estimates.measured_times import MAX_AGE_S, MeasuredTimes, Quantiles
from seewhy.ledger.types import (
    LOADING,
    Claim,
    Completion,
    LedgerPolicy,
    Submission,
    WorkAhead,
    is_long,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import MethodOptions, Priority

PASS_MS = 20.0
BATCH = 4
INTERACTIVE, BATCH_LANE = lane_of("m", Priority.INTERACTIVE), lane_of("m", Priority.BATCH)
LONG = lane_of("m", Priority.INTERACTIVE, long=True)
TIMES = {"cpu": {"gradcam": (PASS_MS,)}}


def options(method: str, **more: object) -> MethodOptions:
    return MethodOptions.model_validate({"method": method, **more})


def test_quantiles_interpolate() -> None:
    assert Quantiles.of([7.0]) == Quantiles(7.0, 7.0)
    assert Quantiles.of([float(n) for n in range(11)]) == Quantiles(5.0, 9.0)


def test_a_method_that_was_not_measured_costs_its_passes() -> None:
    assert job_cost([options("gradcam")], targets=1, times={}) == 1_000
    assert job_cost([options("smoothgrad")], targets=2, times={}) == 120_000
    assert job_cost([options("gradcam", fallback=["scorecam"])], targets=1, times={}) == 1_000


def test_a_measured_method_costs_what_it_takes_compared_with_a_pass() -> None:
    times = {"cpu": {"gradcam": (20.0,), "scorecam": (25_000.0, 26_000.0, 24_000.0)}}
    assert job_cost([options("scorecam")], targets=1, times=times) == 1_250_000
    both = job_cost([options("gradcam"), options("scorecam")], targets=1, times=times)
    assert both == 1_250_000, "the body runs once"


def test_the_speed_adds_the_workers_of_all_devices() -> None:
    times = {"cpu": {"gradcam": (100.0,)}, "gpu": {"gradcam": (5.0,), "load": (2.0,)}}
    speed = present(Speed.of(times, {"cpu": 2, "gpu": 1}, long=False))
    assert speed.busy_pass_ms == pytest.approx(1 / (2 / 100 + 1 / 10))
    assert speed.pass_ms.p50 == 100, "a job alone may meet the slowest worker"
    assert Speed.of(times, {}, long=False) is None, "no worker is alive"
    assert Speed.of(times, {"tpu": 1}, long=False) is None, "nothing is known of it"


def test_a_worker_of_an_unmeasured_device_counts_as_fast_as_the_others() -> None:
    speed = present(Speed.of(TIMES, {"cpu": 1, "gpu": 1}, long=False))
    assert speed.busy_pass_ms == pytest.approx(PASS_MS / 2)


def test_a_quarantined_job_has_no_estimate() -> None:
    speed = present(Speed.of(TIMES, {"cpu": 1}, long=False))
    assert estimate(WorkAhead(INTERACTIVE, 1, True, 1_000), speed, max_batch=8) is None


def test_long_jobs_and_others_take_turns_while_there_are_both() -> None:
    speed = present(Speed.of(TIMES, {"cpu": 1}, long=False))
    for others, p50_ms in ((0, 1_000), (30_000, 1_600), (10**9, 2_000)):
        work = WorkAhead(INTERACTIVE, 1, False, 1_000, ahead=49_000, others=others)
        assert present(estimate(work, speed, max_batch=8)).p50_ms == p50_ms


def test_a_job_does_not_wait_for_the_end_of_larger_batches_that_run() -> None:
    speed = present(Speed.of(TIMES, {"cpu": 1}, long=False))
    work = WorkAhead(INTERACTIVE, 1, False, 1_000, running=400_000)
    alone = present(estimate(work, speed, max_batch=8, threads=1))
    assert alone.p50_ms == 401 * PASS_MS
    shared = present(estimate(work, speed, max_batch=8, threads=4))
    assert shared.p50_ms == (401 - (300 - 3 * 8)) * PASS_MS


def test_a_long_job_waits_for_a_thread_when_no_other_long_one_runs() -> None:
    speed = present(Speed.of(TIMES, {"cpu": 1}, long=True))
    work = WorkAhead(LONG, 1, False, 50_000, others=200_000)
    assert present(estimate(work, speed, max_batch=1)).p50_ms == 250 * PASS_MS


def test_a_job_whose_model_must_be_loaded_waits_for_the_load() -> None:
    eta, times = Eta(10.0, 20.0), {"cpu": {LOADING: (900.0, 1_000.0, 1_100.0)}}
    assert present(after_load(eta, times, {"cpu": 1})).p50_ms == 1_010
    assert present(after_load(eta, times, {"cpu": 1})).p90_ms == pytest.approx(1_100)
    assert after_load(eta, times, {"gpu": 1}) is None, "no load was measured there"
    assert after_load(None, times, {"cpu": 1}) is None


@given(
    st.builds(
        WorkAhead,
        lane=st.just(INTERACTIVE),
        position=st.none() | st.integers(1, 10**6),
        quarantined=st.just(False),
        cost=st.integers(1, 10**7),
        ahead=st.integers(0, 10**9),
        urgent=st.integers(0, 10**9),
        others=st.integers(0, 10**9),
        running=st.integers(0, 10**9),
        idle_ms=st.integers(0, 10**9),
        elapsed_ms=st.integers(0, 10**9),
        behind=st.integers(0, 10**6),
    )
)
def test_an_estimate_is_positive_and_its_quantiles_are_in_order(work: WorkAhead) -> None:
    speed = present(Speed.of(TIMES, {"cpu": 3}, long=False))
    eta = present(estimate(work, speed, max_batch=8))
    assert 0 < eta.p50_ms < eta.p90_ms


def test_measurements_are_read_once_in_a_while_and_outlive_an_outage() -> None:
    harness, now, reads = MemoryHarness(), [0.0], [0]

    class Registry:
        down = False

        def device_times(self) -> object:
            reads[0] += 1
            if self.down:
                raise LedgerUnavailable("down")
            return {"m": TIMES}

        def __getattr__(self, name: str) -> object:
            return getattr(harness.workers, name)

    registry = Registry()
    times = MeasuredTimes(registry, clock=lambda: now[0])  # type: ignore[arg-type]
    assert (times.of("m"), times.of("m"), times.of("other"), reads[0]) == (TIMES, TIMES, {}, 1)
    registry.down, now[0] = True, MAX_AGE_S
    assert (times.of("m"), reads[0]) == (TIMES, 2)


@dataclass
class Service:
    """Workers with one device each, which run batches one after the other, in simulated time."""

    workers: int
    harness: MemoryHarness = field(
        default_factory=lambda: MemoryHarness(
            policy=LedgerPolicy(lease_ms=10**9, lane_limit=10**6, tenant_limit=10**6)
        )
    )
    finished_ms: dict[str, int] = field(default_factory=dict)
    _busy: dict[str, tuple[int, list[Claim]]] = field(default_factory=dict)

    def submit(self, job_id: str, cost: int, *, tenant: str = "a", lane: str = INTERACTIVE) -> None:
        self.harness.ledger.submit(
            Submission(job_id, lane, "x", context=RequestContext(tenant), cost=cost)
        )

    def step(self, long: bool) -> bool:
        """Let idle workers claim, then move to the next end of a batch; False when all is done."""
        ledger, lanes = self.harness.ledger, [x for x in lanes_of("m") if is_long(x) == long]
        for worker in (f"w{n}" for n in range(self.workers)):
            if worker not in self._busy:
                claims = ledger.claim(lanes, owner=worker, limit=1 if long else BATCH)
                if claims:
                    records = [present(ledger.read(claim.job_id)) for claim in claims]
                    took_ms = round(sum(record.cost for record in records) / 1000 * PASS_MS)
                    self._busy[worker] = (self.harness.now_ms + took_ms, claims)
        if not self._busy:
            return False
        worker = min(self._busy, key=lambda name: self._busy[name][0])
        ends_ms, claims = self._busy.pop(worker)
        self.harness.advance(ends_ms - self.harness.now_ms)
        ledger.complete([Completion(claim, "r") for claim in claims])
        self.finished_ms.update(dict.fromkeys((c.job_id for c in claims), ends_ms))
        return True

    def predictions(self) -> Iterator[tuple[str, float, float, int]]:
        """Yield the id, the quantiles and the time of an estimate for each open job."""
        speed = present(Speed.of(TIMES, {"cpu": self.workers}, long=False))
        for job_id, entry in self.harness.memory._state.entries.items():
            work = self.harness.ledger.work_ahead(job_id)
            if not entry.record.state.terminal and work:
                batch = 1 if is_long(work.lane) else BATCH
                eta = present(estimate(work, speed, max_batch=batch))
                yield job_id, eta.p50_ms, eta.p90_ms, self.harness.now_ms


def fill_one_tenant(service: Service) -> None:
    for n in range(60):
        service.submit(f"a{n}", 1_000)


def fill_three_tenants(service: Service) -> None:
    """Of different sizes and costs."""
    for tenant, jobs, cost in (("a", 40, 1_000), ("b", 20, 6_000), ("c", 5, 11_000)):
        for n in range(jobs):
            service.submit(f"{tenant}{n}", cost, tenant=tenant)


def fill_both_priorities(service: Service) -> None:
    for n in range(20):
        service.submit(f"batch{n}", 3_000, lane=BATCH_LANE)
    for n in range(20):
        service.submit(f"now{n}", 1_000)


def fill_long_jobs(service: Service) -> None:
    for n in range(18):
        service.submit(f"long{n}", 60_000 + 90_000 * (n % 2), lane=LONG)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "fill", [fill_one_tenant, fill_three_tenants, fill_both_priorities, fill_long_jobs]
)
def test_predicted_ends_are_within_three_batches_of_the_simulated_ones(
    fill: Callable[[Service], None], workers: int
) -> None:
    """Estimates are made at the start and at every fifth end of a batch, for all open jobs.

    One batch is what the order within it leaves open, two what the workers do at the same time.
    """
    service, made, steps = Service(workers), [], 0
    fill(service)
    while service.step(long=fill is fill_long_jobs):
        if steps % 5 == 0:
            made += list(service.predictions())
        steps += 1
    costs = [entry.record.cost for entry in service.harness.memory._state.entries.values()]
    batch_ms = max(costs) / 1000 * PASS_MS * (1 if fill is fill_long_jobs else BATCH)
    errors, under_p90 = [], 0
    for job_id, p50_ms, p90_ms, at_ms in made:
        actual_ms = service.finished_ms[job_id] - at_ms
        errors.append(abs(p50_ms - actual_ms))
        under_p90 += actual_ms <= p90_ms
    assert len(made) > 20
    assert max(errors) <= 3 * batch_ms
    assert statistics.median(errors) <= batch_ms
    assert under_p90 >= 0.7 * len(made)
