"""Which model a worker loads next, and which models it drops for that: pure functions.

An idle model stays for the time that loading it took. This is the rule of ski rental: whatever
comes next, waiting and loading together take at most twice what the best choice would have taken.
A busy model stays for `BUSY_LOADS` times as long, so that a worker whose models take turns spends
at most about a sixth of its time with loading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seewhy.ledger.types import ModelDemand

BUSY_LOADS = 5
MAX_STAY_S = 120.0
"""How long a model stays at most while another waits for its memory."""
ASSUMED_LOAD_S = 10.0
"""How long loading takes, before it was measured."""
INTERACTIVE_WEIGHT = 10
"""How much more the waiting time of interactive jobs counts."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded model. Times are by one clock, in seconds."""

    bytes: int
    pinned: bool = False
    """Whether it is never dropped."""
    busy: bool = False
    """Whether a thread uses it, or its jobs wait."""
    retired: bool = False
    """Whether it will be dropped as soon as no thread uses it."""
    load_s: float = ASSUMED_LOAD_S
    loaded_at_s: float = 0.0
    used_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that jobs wait for."""

    model: str
    bytes: int
    waited_s: float
    """As `weighed_wait_s` returns it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: load a model, or retire models, or neither."""

    load: str | None = None
    retire: tuple[str, ...] = ()


def is_needed(demand: ModelDemand, load_s: float) -> bool:
    """Whether one more worker should load a model, where loading takes `load_s`.

    Not while the workers that have it keep up: loading would take longer than their jobs wait.
    """
    others = demand.loaded + demand.loading
    if not demand.ready or not others:
        return demand.ready > 0
    wait_s = max(demand.waited_ms, demand.device_ms / others) / 1000
    return wait_s > (load_s if demand.loaded else 2 * load_s)


def weighed_wait_s(demand: ModelDemand, *, since_drop_s: float) -> float:
    """Return how long the jobs of a model have waited; models with the highest value go first.

    It counts from the model's drop, if this worker dropped it `since_drop_s` ago: otherwise a model
    with older jobs would take the memory back that was freed for another.
    """
    weight = INTERACTIVE_WEIGHT if demand.interactive else 1
    return weight * min(demand.waited_ms / 1000, since_drop_s)


def next_step(
    wanted: Sequence[Wanted], residents: Mapping[str, Resident], *, budget_bytes: int, now_s: float
) -> Step:
    """Choose what to do, so that all models together never take more than `budget_bytes`.

    The first of the `wanted` models gets what can be dropped for it. While nothing can, the others
    may use what is free. So each waits for a limited time.
    """
    free = budget_bytes - sum(each.bytes for each in residents.values())
    retiring = sum(each.bytes for each in residents.values() if each.retired)
    for position, each in enumerate(sorted(wanted, key=lambda one: -one.waited_s)):
        if each.bytes <= free:
            return Step(load=each.model)
        if position == 0:
            retire = models_to_drop(each.bytes - free - retiring, residents, now_s=now_s)
            if retire or retiring:
                return Step(retire=retire)
    return Step()


def models_to_drop(
    bytes_: int, residents: Mapping[str, Resident], *, now_s: float | None
) -> tuple[str, ...]:
    """Choose models that take `bytes_` together: idle ones first, then the least recently used.

    Empty if there are not enough that may go at `now_s`; None: all that are not pinned may.
    """
    candidates = sorted(
        (name for name, each in residents.items() if _may_go(each, now_s)),
        key=lambda name: (residents[name].busy, residents[name].used_at_s),
    )
    chosen: list[str] = []
    for name in candidates:
        if bytes_ <= 0:
            break
        chosen.append(name)
        bytes_ -= residents[name].bytes
    return tuple(chosen) if bytes_ <= 0 else ()


def unused_models(
    residents: Mapping[str, Resident], *, idle_s: float, now_s: float
) -> tuple[str, ...]:
    """Return the models that had no jobs for `idle_s`."""
    return tuple(
        name
        for name, each in residents.items()
        if not (each.busy or each.pinned or each.retired) and now_s - each.used_at_s >= idle_s
    )


def _may_go(resident: Resident, now_s: float | None) -> bool:
    if resident.pinned or resident.retired:
        return False
    if now_s is None:
        return True
    if resident.busy:
        return now_s >= resident.loaded_at_s + min(BUSY_LOADS * resident.load_s, MAX_STAY_S)
    return now_s >= resident.used_at_s + min(resident.load_s, MAX_STAY_S)
