"""The places in a network of which a map can be drawn, and the choice of one."""

from dataclasses import dataclass
from typing import Any

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.channel_layout import channels_first
from seewhy_worker.models.graph import Call, Disconnected, Graph


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call whose output a map can be drawn of."""

    call: Call
    shape: tuple[int, int, int]
    """(h, w, C), wherever the network keeps its channels."""
    is_channels_first: bool

    @property
    def tensor(self) -> Any:
        """The symbol of the activation."""
        return self.call.outputs[0]


def find_candidates(graph: Graph, scores: Any) -> tuple[Candidate, ...]:
    """Find what a map could be drawn of, and raise `UnsupportedModel` where there is nothing.

    A map of one cell shows nothing; and before the first kernel (a weight of two axes or more)
    there are no features, only pixels, however they were scaled or turned.
    """
    first = channels_first(graph)
    learned: set[int] = set()
    found = []
    for call in graph.leading(graph.picture, scores):
        weights = getattr(call.operation, "weights", [])
        if not (
            any(len(weight.shape) > 1 for weight in weights)
            or any(id(symbol) in learned for symbol in call.inputs)
        ):
            continue
        learned |= {id(symbol) for symbol in call.outputs}
        candidate = _candidate(call, is_channels_first=id(call.outputs[0]) in first)
        if candidate is not None:
            found.append(candidate)
    if not found:
        raise UnsupportedModel(
            "the model has no layer with a spatial output (N, height, width, channels): only "
            "networks with convolutions, pooling or the like before their dense layers can be "
            "explained. A model inside a layer of one's own cannot be looked into: call it as a "
            "layer itself."
        )
    return tuple(found)


def _candidate(call: Call, *, is_channels_first: bool) -> Candidate | None:
    match call.outputs[0].shape:
        case (_, int(a), int(b), int(c)) if len(call.outputs) == 1:
            height, width, channels = (b, c, a) if is_channels_first else (a, b, c)
            if height * width > 1:
                shape = (height, width, channels)
                return Candidate(call, shape, is_channels_first)
    return None


def named(candidates: tuple[Candidate, ...], name: str) -> Candidate:
    """Choose by path, or by the end of one; raise `UnsupportedModel` unless one matches."""
    matching = [one for one in candidates if one.call.path == name] or [
        one for one in candidates if one.call.path.endswith(f"/{name}")
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        paths = ", ".join(one.call.path for one in matching)
        raise UnsupportedModel(f"the layer {name!r} is ambiguous: say which one of {paths}.")
    known = ", ".join(one.call.path for one in candidates[-8:])
    raise UnsupportedModel(
        f"the model has no layer {name!r} with a spatial output; its last are: {known}."
    )


def last_passed_by_all(graph: Graph, candidates: tuple[Candidate, ...], scores: Any) -> Candidate:
    """Choose the last that every path to the scores passes through; the very last if none is."""
    for candidate in reversed(candidates):
        try:
            graph.leading(candidate.tensor, scores)
        except Disconnected:
            continue
        return candidate
    return candidates[-1]
