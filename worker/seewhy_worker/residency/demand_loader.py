"""The demand loader: loads models whose jobs wait, and drops others that it does not need."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seewhy.errors import LedgerUnavailable, SeewhyError
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import LOADING, PLAIN_METHOD, ModelDemand
from seewhy.periodic import PeriodicTask
from seewhy_worker.explain.types import Explainer
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.loaded_models import LoadedModels
from seewhy_worker.pipeline.measurements import Measurements
from seewhy_worker.pipeline.presence import ServedModels
from seewhy_worker.residency import metrics
from seewhy_worker.residency.model_source import ModelSource, load_timed
from seewhy_worker.residency.policy import (
    ASSUMED_LOAD_S,
    Resident,
    Step,
    Wanted,
    is_needed,
    models_to_drop,
    next_step,
    unused_models,
    weighed_wait_s,
)

POLL_S = 1.0
"""How often the loader looks for waiting jobs."""
FIRST_PAUSE_S, MAX_PAUSE_S = 10.0, 600.0
"""How long a model is left alone after it could not be loaded: twice as long each time."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """What this worker has measured of a model."""

    bytes: int
    load_s: float
    loaded_at_s: float
    dropped_at_s: float = -math.inf


@dataclass(slots=True)
class _Failure:
    """A model that could not be loaded."""

    reason: str
    pause_s: float
    until_s: float
    """When it may be tried again."""
    is_over: bool = False
    """Whether no job waited when that time came: the worker serves the model again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelBudget:
    """What the models of a worker may take."""

    bytes: int
    """For all loaded models together."""
    pinned: Mapping[str, int] = field(default_factory=dict)
    """What the models take that are always loaded."""
    idle_s: float | None = None
    """A model without jobs for this time is dropped; None: only when its memory is needed."""

    @property
    def for_demand(self) -> int:
        """What is left for the models on demand."""
        return max(0, self.bytes - sum(self.pinned.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderDeps:
    """What the demand loader works with."""

    source: ModelSource
    devices: LoadedModels
    """Where it puts models, beside the pinned ones."""
    create_device: Callable[[Explainer], Device]
    registry: WorkerRegistry
    measurements: Measurements
    on_change: Callable[[], None]
    """Called after each change of `DemandLoader.served`."""


class DemandLoader:
    """Loads and drops models in a thread of its own, one at a time. One per worker."""

    def __init__(
        self,
        deps: LoaderDeps,
        *,
        worker_id: str,
        models: Sequence[str],
        budget: ModelBudget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load these models when their jobs wait. `clock` returns seconds, as that of `devices`."""
        self._deps = deps
        self._worker_id = worker_id
        self._models = tuple(models)
        self._budget = budget
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._failures: dict[str, _Failure] = {}
        self._loading = ""
        self._task = PeriodicTask("models", self.step, interval_s=POLL_S)

    def start(self) -> None:
        """Start the thread, unless there is nothing to load on demand."""
        self._deps.on_change()
        if not self._models:
            return
        metrics.BUDGET_BYTES.set(self._budget.bytes)
        self._task.start()

    def stop(self) -> bool:
        """Load nothing more. False if a load is still in progress, which cannot be interrupted."""
        return self._task.stop()

    def served(self) -> ServedModels:
        """Return which models this worker has, loads, and would load. Thread-safe."""
        names, failures = self._deps.devices.names(), dict(self._failures)
        failed = {name for name, failure in failures.items() if not failure.is_over}
        return ServedModels(
            loaded=names,
            on_demand=tuple(
                name for name in self._models if name not in names and name not in failed
            ),
            loading=self._loading,
            bytes={name: known.bytes for name, known in list(self._known.items()) if name in names}
            | dict(self._budget.pinned),
            failed_loads={name: failure.reason for name, failure in failures.items()},
        )

    def step(self) -> None:
        """Drop what no thread uses any more, then load or retire what the policy says."""
        self._drop_retired()
        try:
            demands = self._deps.registry.demand(self._worker_id, self._models)
        except LedgerUnavailable:
            return  # the thread that renews the registration reports it
        if (idle_s := self._budget.idle_s) is not None:
            residents = self._residents(demands)
            self._retire(
                unused_models(residents, idle_s=idle_s, now_s=self._clock()), "it is unused"
            )
        step = self._next_step(demands)
        if step.retire:
            self._retire(step.retire, "another model needs its memory")
            step = self._next_step(demands)  # what no thread used is gone already
        if step.load is not None and not self._task.stopped:
            self._load(step.load, demands[step.load])

    def _next_step(self, demands: Mapping[str, ModelDemand]) -> Step:
        residents = self._residents(demands)
        wanted = self._wanted(demands, residents)
        return next_step(wanted, residents, budget_bytes=self._budget.bytes, now_s=self._clock())

    def _residents(self, demands: Mapping[str, ModelDemand]) -> dict[str, Resident]:
        residents = {
            name: Resident(size, pinned=True) for name, size in self._budget.pinned.items()
        }
        for name, loaded in self._deps.devices.snapshot().items():
            known = self._known.get(name)
            if known is not None:
                residents[name] = Resident(
                    known.bytes,
                    busy=loaded.users > 0 or demands[name].ready > 0,
                    retired=loaded.retired,
                    load_s=known.load_s,
                    loaded_at_s=known.loaded_at_s,
                    used_at_s=loaded.used_s,
                )
        return residents

    def _wanted(
        self, demands: Mapping[str, ModelDemand], residents: Mapping[str, Resident]
    ) -> list[Wanted]:
        wanted = []
        for name, demand in demands.items():
            known = self._known.get(name)
            load_s = known.load_s if known else ASSUMED_LOAD_S
            if name in residents or not self._may_try(name, demand):
                continue
            if not is_needed(demand, load_s):
                continue
            try:
                size = known.bytes if known else self._deps.source.expected_bytes(name)
            except SeewhyError as error:
                self._fail(name, str(error))
                continue
            if size > self._budget.for_demand:
                self._fail(name, self._too_large(size))
                continue
            wanted.append(Wanted(name, size, self._weighed_wait_s(name, demand)))
        return wanted

    def _weighed_wait_s(self, name: str, demand: ModelDemand) -> float:
        known = self._known.get(name)
        since_drop_s = self._clock() - known.dropped_at_s if known else math.inf
        return weighed_wait_s(demand, since_drop_s=since_drop_s)

    def _may_try(self, name: str, demand: ModelDemand) -> bool:
        failure = self._failures.get(name)
        if failure is None or failure.is_over:
            return True
        if self._clock() < failure.until_s:
            return False
        if not demand.ready:
            failure.is_over = True
            self._deps.on_change()
        return True

    def _load(self, name: str, demand: ModelDemand) -> None:
        others = demand.loaded + demand.loading
        with contextlib.suppress(LedgerUnavailable):
            if self._deps.registry.begin_load(self._worker_id, name, others=others):
                self._loading = name
        if not self._loading:
            return  # another worker was faster
        try:
            explainer, load_s = load_timed(self._deps.source, name)
        except SeewhyError as error:
            self._fail(name, str(error))
        except Exception as error:  # noqa: BLE001 - no model may stop the others
            _log.error("Loading %s failed with an unexpected error", name, exc_info=error)
            self._fail(name, "an unexpected error; the log of the worker has it")
        else:
            is_small_enough = self._put_in_service(name, explainer, load_s)
            del explainer
            if not is_small_enough:
                self._dropped(name)
        finally:
            self._loading = ""
            self._deps.on_change()

    def _put_in_service(self, name: str, explainer: Explainer, load_s: float) -> bool:
        """Let threads use a model; False if it does not fit into the budget."""
        size = explainer.memory_bytes
        self._known[name] = _Known(size, load_s, loaded_at_s=self._clock())
        if size > self._budget.for_demand:
            self._fail(name, self._too_large(size))
            return False
        self._failures.pop(name, None)
        self._deps.measurements.add(name, LOADING, load_s * 1000)
        if explainer.pass_s is not None:
            self._deps.measurements.add(name, PLAIN_METHOD, explainer.pass_s * 1000)
        residents = self._residents(dict.fromkeys(self._models, ModelDemand()))
        self._deps.devices.add(name, self._deps.create_device(explainer))
        excess = sum(each.bytes for each in residents.values() if not each.retired)
        excess += size - self._budget.bytes
        if excess > 0:  # it is larger than was expected
            self._retire(
                models_to_drop(excess, residents, now_s=None), f"{name} takes more than expected"
            )
        return True

    def _retire(self, names: Sequence[str], reason: str) -> None:
        for name in names:
            _log.info("Dropping %s: %s", name, reason)
            self._deps.devices.retire(name)
        if names:
            self._deps.on_change()
            self._drop_retired()

    def _drop_retired(self) -> None:
        for name in self._deps.devices.remove_unused():
            self._dropped(name)

    def _dropped(self, name: str) -> None:
        self._known[name].dropped_at_s = self._clock()
        self._deps.source.release_memory()
        metrics.DROPS.labels(name).inc()
        metrics.MODEL_BYTES.labels(name).set(0)

    def _too_large(self, size: int) -> str:
        return (
            f"it takes {size:,} bytes, and SEEWHY_LOADED_MODELS_BYTES leaves "
            f"{self._budget.for_demand:,}"
        )

    def _fail(self, name: str, reason: str) -> None:
        previous = self._failures.get(name)
        pause_s = min(MAX_PAUSE_S, 2 * previous.pause_s) if previous else FIRST_PAUSE_S
        self._failures[name] = _Failure(reason, pause_s, self._clock() + pause_s)
        _log.error("Cannot load %s; trying again in %.0f s: %s", name, pause_s, reason)
        self._deps.on_change()
