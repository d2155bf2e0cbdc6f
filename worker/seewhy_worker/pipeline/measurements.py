"""Measurements: what jobs take on this worker's device, for the estimates that clients see."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from seewhy.errors import SeewhyError
from seewhy.ledger.types import HANDLING, PASS_COST, PLAIN_METHOD, Measurement, load_of
from seewhy.ledger.types.workers import MEASURED_VALUES
from seewhy.schemas.installed_methods import known_methods
from seewhy.schemas.passes import likely_passes
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

Outcome = ImageExplanation | SeewhyError

COMPILED_PASSES = 32
"""Up to this many forward passes, compiling a method may take longer than running it."""
MAIN_SHARE = 0.9
"""The part of a batch's passes above which its time is that of one method."""
LOAD_S = 1.0
"""How much busy time there is between two values of the load."""
LOAD_MEMORY_S = 20.0
"""How much busy time a value of the load looks back at: jobs that run together end together."""
DIGITS = 4


@dataclass(slots=True)
class _Load:
    """The recent busy time of one model's jobs, with and without the device."""

    groups: int = 0
    """How many groups of claims are in progress."""
    disturbed: bool = False
    """Whether jobs of the other kind used the device in turns since `counted_until_s`."""
    counted_until_s: float = 0.0
    busy_s: float = 0.0
    device_s: float = 0.0
    unreported_s: float = 0.0

    def count(self, busy_s: float, device_s: float) -> float | None:
        """Add a group that has ended; return a value of the load when it is time for one."""
        if self.busy_s > LOAD_MEMORY_S:
            self.busy_s, self.device_s = self.busy_s / 2, self.device_s / 2
        self.busy_s += busy_s
        self.device_s += device_s
        self.unreported_s += busy_s
        if self.unreported_s < LOAD_S:
            return None
        self.unreported_s = 0.0
        return self.busy_s / self.device_s


@dataclass(frozen=True, slots=True)
class MeasuredBatch:
    """What is known of a batch that ran."""

    complete: bool = True
    """Whether the device computed everything that its jobs asked for."""
    cost: int | None = None
    """What it took, in the unit of `Submission.cost`; None if the time is not that of its jobs."""
    compiled: bool = False
    """Whether its time may be that of compiling."""


@dataclass(slots=True)
class ClaimedGroup:
    """Jobs that were claimed together, and what they took so far."""

    device_s: float = 0.0
    handling_s: float = 0.0
    complete: bool = True
    """Whether the device computed everything that they asked for."""
    typical: bool = True
    """Whether `device_s` is what such jobs take, without compiling."""

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Count the time of the block: it does not use the device."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.handling_s += time.perf_counter() - started_s


@dataclass(slots=True)
class Measurements:
    """Collects values until they are reported. Thread-safe."""

    clock: Callable[[], float] = time.perf_counter
    _values: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _loads: dict[tuple[str, bool], _Load] = field(default_factory=dict)
    _compiled: set[Hashable] = field(default_factory=set)
    _pass_ms: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, model: str, name: str, *values: float) -> None:
        """Add values; only the last `MEASURED_VALUES` of a name matter."""
        with self._lock:
            known = self._values.setdefault((model, name), deque(maxlen=MEASURED_VALUES))
            known.extend(round(value, DIGITS) for value in values)
            if name == PLAIN_METHOD:
                passes = self._pass_ms.setdefault(model, deque(maxlen=MEASURED_VALUES))
                passes.extend(values)

    def take(self) -> list[Measurement]:
        """Return what was added since the last call."""
        with self._lock:
            taken, self._values = self._values, {}
        return [Measurement(model, name, tuple(each)) for (model, name), each in taken.items()]

    def put_back(self, measurements: Sequence[Measurement]) -> None:
        """Keep values that could not be reported."""
        with self._lock:
            newer = self.take()
            for each in (*measurements, *newer):
                self.add(each.model, each.name, *each.values)

    def cost_of(self, model: str, device_ms: float) -> int | None:
        """Return device time as `Submission.cost` has it; None before a pass was measured."""
        with self._lock:
            known = self._pass_ms.get(model)
            pass_ms = statistics.median(known) if known else 0.0
        return max(1, round(PASS_COST * device_ms / pass_ms)) if pass_ms > 0 else None

    def add_explained(
        self,
        model: str,
        tasks: Sequence[ExplanationTask],
        outcomes: Sequence[Outcome],
        *,
        device_ms: float,
    ) -> MeasuredBatch:
        """Add the device time of a batch, and return what is known of the batch.

        An error, a fallback that ran, a kept activation and a chosen layer make the time say
        nothing about the method. Nor does a batch of several methods, unless one takes nearly all
        of its passes.
        """
        if not all(_was_computed(outcome) for outcome in outcomes):
            return MeasuredBatch(complete=False)
        passes: dict[str, list[float]] = {}
        for task in tasks:
            cost = likely_passes(task.options, targets=len(task.targets))
            passes.setdefault(task.options.method, []).append(cost)
        if self._compiles(model, tasks, most=max(map(max, passes.values()))):
            return MeasuredBatch(compiled=True)
        in_passes = self.cost_of(model, device_ms)
        total = sum(map(sum, passes.values()))
        name = max(passes, key=lambda method: sum(passes[method]))
        # With a chosen layer, how much of the network repeats is not known.
        has_layers = any(task.options.layers for task in tasks)
        if not has_layers and sum(passes[name]) >= MAIN_SHARE * total:
            of_one_image = device_ms / total * known_methods()[name].forward_passes
            self.add(model, name, *[of_one_image] * len(passes[name]))
        return MeasuredBatch(cost=in_passes)

    @contextmanager
    def group(self, model: str, *, long: bool, more_waited: bool) -> Iterator[ClaimedGroup]:
        """Measure the block, which runs claims of one model from their fetch to their report.

        With `more_waited` the worker was busy: its pace is that of its queue, unless jobs of the
        other kind, `long` or not, shared the device.
        """
        group = ClaimedGroup()
        with self._lock:
            load, other = (self._loads.setdefault((model, x), _Load()) for x in (long, not long))
            if load.groups == 0:
                load.counted_until_s, load.disturbed = self.clock(), False
            load.groups += 1
            if other.groups:
                load.disturbed = other.disturbed = True
        try:
            yield group
        finally:
            with self._lock:
                load.groups -= 1
                self._end(model, group, long=long, count_load=more_waited and not load.disturbed)
                load.counted_until_s, load.disturbed = self.clock(), other.groups > 0

    def _end(self, model: str, group: ClaimedGroup, *, long: bool, count_load: bool) -> None:
        if not group.device_s or not group.complete:
            return
        self.add(model, HANDLING, group.handling_s * 1000)
        load = self._loads[model, long]
        if count_load:
            value = load.count(self.clock() - load.counted_until_s, group.device_s)
            if value is not None:
                self.add(model, load_of(long=long), value)

    def _compiles(self, model: str, tasks: Sequence[ExplanationTask], *, most: float) -> bool:
        """Whether the time may be that of compiling: the first batch of its shape.

        `most` is the forward passes of the longest task.
        """
        shape = (
            model,
            frozenset((task.options.method, task.options.layers) for task in tasks),
            len(tasks),
            max(len(task.targets) for task in tasks),
            any(target.rivals for task in tasks for target in task.targets),
            frozenset(task.options.score for task in tasks),
        )
        with self._lock:
            first = shape not in self._compiled
            self._compiled.add(shape)
        return first and most < COMPILED_PASSES


def _was_computed(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, ImageExplanation)
        and outcome.body == "computed"
        and len(outcome.tried) == 1
    )
