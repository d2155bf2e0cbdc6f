"""Find the layers in a network that a map can be drawn for."""

from dataclasses import dataclass
from typing import Any

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.channel_layout import find_channels_first
from seewhy_worker.models.splitting.graph import Call, Graph


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call with a spatial output, which can be the target layer."""

    call: Call
    shape: tuple[int, int, int]
    """(h, w, C), even when the network is channels-first."""
    is_channels_first: bool

    @property
    def path(self) -> str:
        """The layer's path."""
        return self.call.path

    @property
    def tensor(self) -> Any:
        """The symbolic activation."""
        return self.call.outputs[0]

    @property
    def cell_count(self) -> int:
        """The resolution h · w of its maps."""
        return self.shape[0] * self.shape[1]


def find_candidates(graph: Graph, scores: Any) -> tuple[Candidate, ...]:
    """Find all layers that a map can be drawn for, in execution order.

    Layers before the first kernel (a weight of two or more axes) are excluded: they hold rescaled
    or augmented pixels, not features. So are layers with a single cell. Raises `UnsupportedModel`
    when there is no candidate.
    """
    channels_first = find_channels_first(graph)
    feature_ids: set[int] = set()
    candidates = []
    for call in graph.calls_between([graph.input], [scores]):
        if not (call.has_kernel or any(id(tensor) in feature_ids for tensor in call.inputs)):
            continue
        feature_ids |= {id(tensor) for tensor in call.outputs}
        is_channels_first = id(call.outputs[0]) in channels_first
        candidate = _as_candidate(call, is_channels_first=is_channels_first)
        if candidate is not None:
            candidates.append(candidate)
    if not candidates:
        raise UnsupportedModel(
            "the model has no layer with a spatial output (N, height, width, channels): only "
            "networks with convolutions, pooling or similar layers before their dense layers can "
            "be explained. If the convolutions are inside a custom layer, call that model "
            "directly as a layer of the network."
        )
    return tuple(candidates)


def _as_candidate(call: Call, *, is_channels_first: bool) -> Candidate | None:
    match call.outputs[0].shape:
        case (_, int(a), int(b), int(c)) if len(call.outputs) == 1:
            height, width, channels = (b, c, a) if is_channels_first else (a, b, c)
            if height * width > 1:
                return Candidate(call, (height, width, channels), is_channels_first)
    return None


def find_layer(candidates: tuple[Candidate, ...], name: str) -> Candidate:
    """Find a candidate by its path or by an unambiguous end of its path.

    Raises `UnsupportedModel` unless exactly one candidate matches.
    """
    matches = [one for one in candidates if one.path == name] or [
        one for one in candidates if one.path.endswith(f"/{name}")
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        paths = ", ".join(one.path for one in matches)
        raise UnsupportedModel(f"the layer name {name!r} is ambiguous: use one of {paths}.")
    paths = ", ".join(one.path for one in candidates[-8:])
    raise UnsupportedModel(
        f"the model has no layer {name!r} with a spatial output. Its last spatial layers are: "
        f"{paths}."
    )
