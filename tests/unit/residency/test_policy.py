"""Which models a worker loads and drops: the laws of the policy."""

import math
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from seewhy.ledger.types import ModelDemand
from seewhy_worker.residency.policy import (
    BUSY_LOADS,
    MAX_STAY_S,
    Resident,
    Step,
    Wanted,
    is_needed,
    models_to_drop,
    next_step,
    unused_models,
    weighed_wait_s,
)

BUDGET = 100


def idle(bytes_: int, *, used_at_s: float = 0.0, **fields: object) -> Resident:
    return replace(Resident(bytes_, load_s=10, used_at_s=used_at_s), **fields)  # type: ignore[arg-type]


def step(wanted: list[Wanted], residents: dict[str, Resident], *, now_s: float = 1000.0) -> Step:
    return next_step(wanted, residents, budget_bytes=BUDGET, now_s=now_s)


def test_what_fits_is_loaded_and_nothing_is_dropped() -> None:
    assert step([Wanted("b", 40, 1)], {"a": idle(60)}) == Step(load="b")


def test_the_least_recently_used_idle_model_makes_room_first() -> None:
    residents = {
        "new": idle(30, used_at_s=50),
        "old": idle(30, used_at_s=20),
        "busy": idle(30, busy=True),
    }
    assert step([Wanted("b", 40, 1)], residents) == Step(retire=("old",))
    assert step([Wanted("b", 70, 1)], residents) == Step(retire=("old", "new"))
    assert step([Wanted("b", 90, 1)], residents) == Step(retire=("old", "new", "busy"))


def test_an_idle_model_stays_for_the_time_of_a_load_and_a_busy_one_for_five() -> None:
    wanted = [Wanted("b", 100, 1)]
    for busy, stay_s in ((False, 10.0), (True, 10.0 * BUSY_LOADS)):
        residents = {"a": idle(50, busy=busy, loaded_at_s=100, used_at_s=100)}
        assert step(wanted, residents, now_s=100 + stay_s - 0.1) == Step()
        assert step(wanted, residents, now_s=100 + stay_s) == Step(retire=("a",))


def test_a_model_that_loads_slowly_makes_others_wait_for_a_limited_time() -> None:
    residents = {"a": replace(idle(50, busy=True), load_s=3600)}
    assert step([Wanted("b", 100, 1)], residents, now_s=MAX_STAY_S) == Step(retire=("a",))


def test_pinned_models_stay_whatever_waits() -> None:
    residents = {"a": idle(60, pinned=True), "b": idle(40)}
    assert step([Wanted("c", 50, 1)], residents) == Step()
    assert models_to_drop(50, residents, now_s=None) == ()


def test_what_has_waited_longest_goes_first_and_others_use_what_is_free_meanwhile() -> None:
    residents = {"a": idle(60, used_at_s=999)}
    wanted = [Wanted("small", 40, 1), Wanted("large", 50, 2)]
    assert step(wanted, residents) == Step(load="small"), "nothing can go yet"
    assert step(wanted, residents, now_s=1100) == Step(retire=("a",))
    retiring = {"a": replace(residents["a"], retired=True)}
    assert step(wanted, retiring, now_s=1100) == Step(), "what is free is for the large one"


def test_models_without_jobs_are_dropped_after_the_idle_time() -> None:
    residents = {
        "unused": idle(10),
        "used": idle(10, used_at_s=50),
        "busy": idle(10, busy=True),
        "pinned": idle(10, pinned=True),
    }
    assert unused_models(residents, idle_s=60, now_s=60) == ("unused",)


def test_a_worker_leaves_a_model_to_others_while_they_keep_up() -> None:
    assert not is_needed(ModelDemand(), 10)
    assert is_needed(ModelDemand(ready=1), 10)
    young = ModelDemand(ready=9, waited_ms=10_000, device_ms=10_000, loaded=1)
    assert not is_needed(young, 10)
    assert is_needed(replace(young, waited_ms=10_001), 10)
    assert is_needed(replace(young, device_ms=10_001), 10)
    assert not is_needed(replace(young, device_ms=20_000, loaded=2), 10)
    loading = replace(young, loaded=0, loading=1, waited_ms=20_000)
    assert not is_needed(loading, 10), "it will have it soon"
    assert is_needed(replace(loading, waited_ms=20_001), 10)


@dataclass
class Simulation:
    """A worker that runs a job of each loaded model in a second, and takes two for a load."""

    sizes: dict[str, int]
    pinned: set[str]
    waiting_since: dict[str, list[float]] = field(default_factory=dict)
    dropped_at_s: dict[str, float] = field(default_factory=dict)
    residents: dict[str, Resident] = field(default_factory=dict)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.residents = {name: Resident(self.sizes[name], pinned=True) for name in self.pinned}

    def submit(self, name: str) -> None:
        self.waiting_since.setdefault(name, []).append(self.now_s)

    def tick(self) -> None:
        """Run jobs of loaded models, drop what is retired, then do the next step."""
        for name, each in list(self.residents.items()):
            if each.retired:
                del self.residents[name]
                self.dropped_at_s[name] = self.now_s
                continue
            waiting = self.waiting_since.get(name, [])
            used_at_s = self.now_s if waiting else each.used_at_s
            del waiting[:1]
            self.residents[name] = replace(each, used_at_s=used_at_s, busy=bool(waiting))
        chosen = step(self.wanted(), self.residents, now_s=self.now_s)
        for name in chosen.retire:
            self.residents[name] = replace(self.residents[name], retired=True)
        if chosen.load:
            self.now_s += 2
            self.residents[chosen.load] = Resident(
                self.sizes[chosen.load], load_s=2, loaded_at_s=self.now_s, used_at_s=self.now_s
            )
        self.now_s += 1

    def wanted(self) -> list[Wanted]:
        found = []
        for name, waiting in self.waiting_since.items():
            if waiting and name not in self.residents:
                demand = ModelDemand(ready=1, waited_ms=int(1000 * (self.now_s - waiting[0])))
                since_drop_s = self.now_s - self.dropped_at_s.get(name, -math.inf)
                wait_s = weighed_wait_s(demand, since_drop_s=since_drop_s)
                found.append(Wanted(name, self.sizes[name], wait_s))
        return found


MODELS = ("a", "b", "c", "d", "e")


@given(
    sizes=st.lists(st.integers(1, 100), min_size=5, max_size=5),
    pinned=st.sets(st.sampled_from(MODELS), max_size=1),
    arrivals=st.lists(st.lists(st.sampled_from(MODELS), max_size=5), max_size=20),
)
def test_the_budget_is_kept_pinned_models_stay_and_every_job_ends(
    sizes: list[int], pinned: set[str], arrivals: list[list[str]]
) -> None:
    simulation = Simulation(dict(zip(MODELS, sizes, strict=True)), pinned)
    free = BUDGET - sum(simulation.sizes[name] for name in pinned)
    possible = {name for name in MODELS if name in pinned or simulation.sizes[name] <= free}
    for arrived in [*arrivals, *[list[str]()] * 300]:
        for name in arrived:
            if name in possible:
                simulation.submit(name)
        simulation.tick()
        assert sum(each.bytes for each in simulation.residents.values()) <= BUDGET
        assert pinned <= set(simulation.residents)
    assert not any(simulation.waiting_since.values())


def test_two_busy_models_take_turns_and_loading_takes_at_most_a_fifth_of_the_time() -> None:
    simulation = Simulation({"a": BUDGET, "b": BUDGET}, set())
    turns: list[str] = []
    while simulation.now_s < 600:
        simulation.submit("a")
        simulation.submit("b")
        simulation.tick()
        if (loaded := [*simulation.residents]) and turns[-1:] != loaded:
            turns += loaded
    assert turns[:4] == ["a", "b", "a", "b"]
    assert 600 / len(turns) >= (BUSY_LOADS + 1) * 2


def test_a_model_with_an_old_backlog_makes_room_for_younger_jobs() -> None:
    simulation = Simulation({"a": BUDGET, "b": BUDGET}, set())
    simulation.waiting_since["a"] = [0.0] * 1000
    for _ in range(5):
        simulation.tick()
    simulation.submit("b")
    while simulation.waiting_since["b"]:
        simulation.tick()
    assert simulation.now_s <= 5 * (BUSY_LOADS + 1)
    assert simulation.waiting_since["a"], "the old jobs were not all done first"
