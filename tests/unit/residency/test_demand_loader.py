"""A worker that loads models when their jobs wait: with an in-memory ledger and stub models."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from images import encoded, gradient
from in_memory_worker import IMAGE_KEY, HookedExplainer, InMemoryWorker, job_ids
from seewhy import periodic
from seewhy.errors import UnsupportedModel
from seewhy.ledger.types import LOADING, lanes_of
from seewhy.schemas.job import JobState
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.watchdog import Watchdog
from seewhy_worker.residency.demand_loader import (
    FIRST_PAUSE_S,
    DemandLoader,
    LoaderDeps,
    ModelBudget,
)
from seewhy_worker.stub import StubExplainer

PINNED = "m"
SUCCEEDED = (JobState.SUCCEEDED, None)


class Source:
    """Creates stub models, whose sizes and errors tests set."""

    device = engine = "stub"

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.expected: dict[str, int] = {}
        self.errors: dict[str, Exception] = {}
        self.loads: list[str] = []
        self.released = 0

    def expected_bytes(self, name: str) -> int:
        return self.expected.get(name, self.sizes.get(name, 10))

    def load(self, name: str) -> StubExplainer:
        self.loads.append(name)
        if name in self.errors:
            raise self.errors[name]
        explainer = HookedExplainer()
        explainer.memory_bytes = self.sizes.get(name, 10)
        return explainer

    def release_memory(self) -> None:
        self.released += 1


class Loading:
    """An in-memory worker with the pinned model `m` and models on demand."""

    def __init__(self, *models: str, budget: int = 30, idle_s: float | None = None) -> None:
        self.worker = InMemoryWorker()
        self.worker.store.put(IMAGE_KEY, encoded(gradient(), "JPEG"), content_type="image/jpeg")
        self.source = Source()
        self.seen: list[tuple[str, ...]] = []
        self.loader = DemandLoader(
            LoaderDeps(
                source=self.source,
                devices=self.worker.runner._deps.devices,
                create_device=lambda each: Device(
                    each, max_batch=4, watchdog=Watchdog(timeout_s=60)
                ),
                registry=self.worker.ledger.workers,
                measurements=self.worker.measurements,
                on_change=self.register,
            ),
            worker_id="w",
            models=models,
            budget=ModelBudget(bytes=budget, pinned={PINNED: 10}, idle_s=idle_s),
            clock=lambda: self.worker.now_ms / 1000,
        )
        self.worker.runner._deps.devices._clock = lambda: self.worker.now_ms / 1000
        self.register()

    def register(self) -> None:
        served = self.loader.served()
        self.seen.append(served.loaded)
        self.worker.ledger.workers.register(
            "w", models=served.loaded, on_demand=served.on_demand, loading=served.loading
        )

    def submit(self, model: str, job_id: str) -> None:
        self.worker.submit(job_id, lane=lanes_of(model)[0], model=model)

    def pass_time(self, seconds: float) -> None:
        self.worker.now_ms += int(seconds * 1000)

    def step(self) -> None:
        self.loader.step()
        self.register()

    def run(self, model: str) -> int:
        return self.worker.run(lanes_of(model)[0])

    @property
    def loaded(self) -> set[str]:
        return set(self.worker.runner._deps.devices.names())


def test_a_model_is_loaded_when_a_job_waits_and_not_before() -> None:
    it = Loading("a")
    it.step()
    assert (it.source.loads, it.loaded) == ([], {PINNED})
    assert it.loader.served().on_demand == ("a",)
    (job,) = job_ids(1)
    it.submit("a", job)
    assert it.run("a") == 0, "nothing is claimed before the model is there"
    it.step()
    assert it.loaded == {PINNED, "a"}
    served = it.loader.served()
    assert (served.on_demand, served.bytes) == ((), {PINNED: 10, "a": 10})
    assert it.run("a") == 1
    assert it.worker.outcome(job) == SUCCEEDED
    measured = {each.name for each in it.worker.measurements.take() if each.model == "a"}
    assert LOADING in measured


def test_models_take_turns_in_a_budget_for_one_and_all_jobs_end() -> None:
    it = Loading("a", "b", budget=20)
    jobs = job_ids(6)
    for number, job in enumerate(jobs):
        it.submit("ab"[number % 2], job)
    for _ in range(100):
        it.step()
        assert len(it.loaded) <= 2
        for model in sorted(it.loaded):
            it.run(model)
        it.pass_time(1)
    assert it.worker.outcomes(jobs) == [SUCCEEDED] * 6
    assert it.source.loads == ["a", "b"]


def test_a_model_in_use_is_dropped_after_its_last_user() -> None:
    it = Loading("a", "b", budget=20)
    first, second = job_ids(2)
    it.submit("a", first)
    it.step()
    devices = it.worker.runner._deps.devices
    with devices.using("a") as device:
        assert device is not None
        it.submit("b", second)
        it.pass_time(200)
        it.step()
        assert it.loaded == {PINNED}, "no thread may use it any more"
        assert it.source.loads == ["a"], "it still takes its memory"
        with devices.using("a") as again:
            assert again is None
    it.step()
    assert it.loaded == {PINNED, "b"}
    assert (it.run("b"), it.worker.outcome(second)) == (1, SUCCEEDED)


@pytest.mark.parametrize("error", [UnsupportedModel("it is damaged"), RuntimeError("bug")])
def test_a_model_that_cannot_be_loaded_is_reported_and_tried_again(error: Exception) -> None:
    it = Loading("a", "b")
    (job,) = job_ids(1)
    it.submit("a", job)
    it.source.errors["a"] = error
    it.step()
    served = it.loader.served()
    assert served.on_demand == ("b",), "it is not served, so that clients are warned"
    shown = "it is damaged" if isinstance(error, UnsupportedModel) else "an unexpected error"
    assert shown in served.failed_loads["a"]
    it.step()
    assert it.source.loads == ["a"], "there is a pause"
    it.pass_time(FIRST_PAUSE_S)
    it.step()
    assert it.source.loads == ["a", "a"]
    it.pass_time(FIRST_PAUSE_S)
    it.step()
    assert it.source.loads == ["a", "a"], "the pause grows"
    del it.source.errors["a"]
    it.pass_time(FIRST_PAUSE_S)
    it.step()
    assert (it.loader.served().failed_loads, it.loaded) == ({}, {PINNED, "a"})
    assert (it.run("a"), it.worker.outcome(job)) == (1, SUCCEEDED)


def test_a_model_that_failed_is_served_again_when_no_job_waits_for_it() -> None:
    it = Loading("a")
    (job,) = job_ids(1)
    it.submit("a", job)
    it.source.errors["a"] = UnsupportedModel("it is damaged")
    it.step()
    it.worker.ledger.cancel(job)
    it.step()
    assert it.loader.served().on_demand == ()
    it.pass_time(FIRST_PAUSE_S)
    it.step()
    assert it.loader.served().on_demand == ("a",), "otherwise refused requests would stay refused"


def test_a_model_that_is_too_large_is_not_loaded() -> None:
    it = Loading("a", budget=30)
    it.source.expected["a"] = 21
    it.submit("a", *job_ids(1))
    it.step()
    assert it.source.loads == []
    assert "SEEWHY_LOADED_MODELS_BYTES leaves 20" in it.loader.served().failed_loads["a"]


def test_a_model_that_turns_out_too_large_is_dropped_and_not_tried_again() -> None:
    it = Loading("a", budget=30)
    it.source.sizes["a"], it.source.expected["a"] = 21, 5
    it.submit("a", *job_ids(1))
    it.step()
    assert (it.loaded, it.source.released) == ({PINNED}, 1)
    it.pass_time(FIRST_PAUSE_S)
    it.step()
    assert it.source.loads == ["a"]
    assert "it takes 21 bytes" in it.loader.served().failed_loads["a"]


def test_a_model_that_is_larger_than_expected_replaces_others_at_once() -> None:
    it = Loading("a", "b", budget=30)
    it.source.sizes["b"], it.source.expected["b"] = 15, 5
    for model, job in zip("ab", job_ids(2), strict=True):
        it.submit(model, job)
        it.step()
    assert it.loaded == {PINNED, "b"}


def test_an_unused_model_is_dropped_after_the_idle_time() -> None:
    it = Loading("a", idle_s=60)
    it.submit("a", *job_ids(1))
    it.step()
    it.run("a")
    it.pass_time(59)
    it.step()
    assert "a" in it.loaded
    it.pass_time(1)
    it.step()
    assert (it.loaded, it.source.released) == ({PINNED}, 1)
    assert it.seen[-1] == (PINNED,)


def others(it: Loading, **models: Sequence[str] | str) -> None:
    it.worker.ledger.workers.register("other", **{"models": [], **models})  # type: ignore[arg-type]


def test_a_model_is_left_to_another_worker_that_keeps_up() -> None:
    it = Loading("a")
    it.submit("a", *job_ids(1))
    others(it, models=["a"])
    it.step()
    assert it.source.loads == []
    it.pass_time(11)
    others(it, models=["a"])
    it.step()
    assert it.source.loads == ["a"]


def test_of_two_workers_only_one_begins_to_load_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Loading("a")
    it.submit("a", *job_ids(1))
    registry = it.worker.ledger.workers
    demand = registry.demand

    def demand_and_lose(worker_id: str, models: Sequence[str]) -> object:
        found = demand(worker_id, models)
        others(it, loading="a")
        return found

    monkeypatch.setattr(registry, "demand", demand_and_lose)
    it.step()
    assert it.source.loads == []
    assert it.loader.served().loading == ""


def test_a_job_whose_model_is_dropped_after_its_claim_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Loading("a")
    (job,) = job_ids(1)
    it.submit("a", job)
    it.step()
    ledger, devices = it.worker.ledger, it.worker.runner._deps.devices
    claim = ledger.claim

    def claim_and_retire(lanes: Sequence[str], **options: Any) -> object:
        claims = claim(lanes, **options)
        devices.retire("a")
        return claims

    monkeypatch.setattr(ledger, "claim", claim_and_retire)
    it.run("a")
    record = it.worker.record(job)
    assert (record.state, record.attempts) == (JobState.QUEUED, 0)
    assert devices.remove_unused() == ["a"]


def test_a_worker_that_stops_does_not_wait_for_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "STOP_TIMEOUT_S", 0.1)
    it = Loading("a")
    it.submit("a", *job_ids(1))
    begun, may_end = threading.Event(), threading.Event()
    load = it.source.load

    def load_slowly(name: str) -> StubExplainer:
        begun.set()
        assert may_end.wait(60)
        return load(name)

    monkeypatch.setattr(it.source, "load", load_slowly)
    it.loader.start()
    assert begun.wait(60)
    assert not it.loader.stop()
    may_end.set()
    monkeypatch.setattr(periodic, "STOP_TIMEOUT_S", 60)
    assert it.loader.stop()
