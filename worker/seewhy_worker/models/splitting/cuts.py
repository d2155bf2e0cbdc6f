"""Choose the tensors at which a network is split into body and head.

What bypasses a target layer, such as a skip connection or a parallel backbone, reaches the head as
tensors of its own. They are the smallest that leave no layer with a kernel to both the body and the
head, and a minimum cut finds them: Ford & Fulkerson 1956, doi:10.4153/CJM-1956-045-5, with the
shortest augmenting paths of Edmonds & Karp 1972, doi:10.1145/321694.321699.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from seewhy_worker.models.splitting.candidates import Candidate
from seewhy_worker.models.splitting.graph import BypassError, Graph, find_descendants, is_symbolic

_PROBE_BATCH = 1009
"""A prime, so that no other size of a network is a multiple of it."""
_SOURCE, _SINK = -1, -2
_REPEATED_KERNEL = 2.0**40
"""What it counts, in numbers of a tensor, if the head repeats a layer with a kernel."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The tensors at which a network is split, as symbolic tensors."""

    target: Candidate
    bypass: tuple[Any, ...]
    """What the head needs besides the target, in execution order.

    None is computed from it, or from a later target."""
    name: str
    """Names the tensors: the path of the target, then those of the calls that output the others."""

    @property
    def tensors(self) -> tuple[Any, ...]:
        """The target, then what bypasses it."""
        return self.target.tensor, *self.bypass


def find_cuts(graph: Graph, targets: Sequence[Candidate], scores: Any) -> tuple[Cut, ...]:
    """Choose the cut at each target, given in execution order.

    A cut suffices to compute the cuts at the later targets, and the scores.
    """
    cuts: list[Cut] = []
    for position, target in enumerate(targets):
        needed = [*(later.tensor for later in targets[position + 1 :]), scores]
        sources = cuts[-1].tensors if cuts else (graph.input,)
        bypass = _find_bypass(graph, sources, target.tensor, needed)
        names = (_name(graph, tensor) for tensor in bypass)
        cuts.append(Cut(target, bypass, " + ".join((target.path, *names))))
    return tuple(cuts)


def _find_bypass(
    graph: Graph, sources: Iterable[Any], target: Any, needed: Sequence[Any]
) -> tuple[Any, ...]:
    """Return the smallest tensors that, with the target, suffice to compute what is needed."""
    try:
        graph.calls_between([target], needed)
    except BypassError:
        return _find_smallest(graph, tuple(sources), target, needed)
    return ()


def _find_smallest(
    graph: Graph, sources: tuple[Any, ...], target: Any, needed: Sequence[Any]
) -> tuple[Any, ...]:
    calls = graph.calls_between(sources, needed)
    # A later target needs what is behind it to be computed from it.
    behind = find_descendants(calls, target).union(
        *(find_descendants(calls, one) - {id(one)} for one in needed)
    )
    one_row_per_image = _find_batched(graph)
    tensors = [*sources, *(output for call in calls for output in call.outputs)]
    flow = _Flow()
    for tensor in tensors:
        may_be_cut = id(tensor) in one_row_per_image and id(tensor) not in behind
        size = math.prod(length or 1 for length in tensor.shape[1:]) if may_be_cut else math.inf
        if tensor is not target:
            flow.add_edge(_entry(tensor), _exit(tensor), size)
    for call in calls:
        for tensor in (tensor for tensor in call.inputs if tensor is not target):
            for output in call.outputs:
                flow.add_edge(_exit(tensor), _entry(output), math.inf)
        if call.has_kernel and id(call.outputs[0]) not in behind:
            for output in call.outputs:
                flow.add_edge(_SOURCE, _entry(output), _REPEATED_KERNEL)
    for tensor in sources:
        flow.add_edge(_SOURCE, _entry(tensor), math.inf)
    for tensor in needed:
        flow.add_edge(_exit(tensor), _SINK, math.inf)
    # Of several smallest cuts, the one nearest to the scores leaves the head the least to do.
    near_sink = flow.find_sink_side()
    return tuple(
        tensor
        for tensor in tensors
        if _exit(tensor) in near_sink and _entry(tensor) not in near_sink and tensor is not target
    )


def _find_batched(graph: Graph) -> set[int]:
    """Return the `id` of every tensor that is known to have one row per image.

    Windows of an attention layer, for example, have many.
    """
    shape = (_PROBE_BATCH, *graph.input.shape[1:])
    specs = {id(graph.input): keras.KerasTensor(shape, dtype=graph.input.dtype)}

    def lookup(leaf: Any) -> Any:
        return specs[id(leaf)] if is_symbolic(leaf) else leaf

    for call in graph.calls:
        try:
            args, kwargs = keras.tree.map_structure(lookup, (call.args, call.kwargs))
            outputs = call.operation.compute_output_spec(*args, **kwargs)  # type: ignore[attr-defined]
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # the operation cannot tell, or computes from a tensor that is not known
        specs.update(zip(map(id, call.outputs), keras.tree.flatten(outputs), strict=True))
    return {key for key, spec in specs.items() if tuple(spec.shape[:1]) == (_PROBE_BATCH,)}


def _name(graph: Graph, tensor: Any) -> str:
    call = graph.producer(tensor)
    if call is None:
        return "input"
    position = [output is tensor for output in call.outputs].index(True)
    return f"{call.path}:{position}" if len(call.outputs) > 1 else call.path


def _entry(tensor: Any) -> int:
    return 2 * id(tensor)


def _exit(tensor: Any) -> int:
    return 2 * id(tensor) + 1


class _Flow:
    """A flow network. A tensor is an edge from its entry to its exit, so that it can be cut."""

    def __init__(self) -> None:
        self._residual: defaultdict[int, dict[int, float]] = defaultdict(dict)

    def add_edge(self, start: int, end: int, capacity: float) -> None:
        self._residual[start][end] = capacity
        self._residual[end].setdefault(start, 0)

    def find_sink_side(self) -> set[int]:
        """Return the nodes that reach the sink once the flow is as large as possible."""
        while path := self._find_path():
            amount = min(self._residual[start][end] for start, end in path)
            for start, end in path:
                self._residual[start][end] -= amount
                self._residual[end][start] += amount
        found, pending = {_SINK}, [_SINK]
        while pending:
            end = pending.pop()
            before = [n for n in self._residual[end] if self._residual[n][end] > 0]
            pending += set(before) - found
            found |= set(before)
        return found

    def _find_path(self) -> list[tuple[int, int]]:
        """Return the edges of a shortest path with capacity left; empty if there is none."""
        previous = {_SOURCE: _SOURCE}
        pending = deque([_SOURCE])
        while pending and _SINK not in previous:
            start = pending.popleft()
            for end, capacity in self._residual[start].items():
                if capacity > 0 and end not in previous:
                    previous[end] = start
                    pending.append(end)
        path = []
        end = _SINK
        while end in previous and end != _SOURCE:
            path.append((previous[end], end))
            end = previous[end]
        return path
