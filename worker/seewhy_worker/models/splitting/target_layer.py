"""Choose the target layer of a network when nobody names one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seewhy_worker.models.splitting.candidates import Candidate
from seewhy_worker.models.splitting.graph import BypassError, Call, Graph, find_descendants

_ACTIVATIONS = {
    "activation",
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardsilu",
    "leakyrelu",
    "logsoftmax",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "swish",
    "tanh",
}
_RESHAPING = {"cast", "flatten", "identity", "permute", "reshape", "squeeze", "transpose"}


@dataclass(frozen=True, slots=True)
class TargetLayer:
    """The chosen candidate and the reason for the choice."""

    candidate: Candidate
    reason: str
    """A clause for people that completes "chosen because …"."""


def choose_coarsest_layer(
    graph: Graph, candidates: tuple[Candidate, ...], scores: Any
) -> TargetLayer:
    """Choose the last layer at the lowest resolution, for a network that scores each pixel.

    Its last layers draw the segments themselves, so a map there would repeat the prediction. The
    bottleneck is where Seg-Grad-CAM explains (Vinogradova et al. 2020, arXiv 2002.11434).
    """
    coarsest = min(reversed(candidates), key=lambda candidate: candidate.cell_count)
    height, width, _ = coarsest.shape
    return TargetLayer(
        coarsest, f"it is the last layer at the lowest resolution, {height} x {width}"
    )


def choose_target_layer(
    graph: Graph, candidates: tuple[Candidate, ...], scores: Any
) -> TargetLayer:
    """Choose the layer that people who name a layer usually name.

    1. Consider the layers that every path from the input to the scores passes through, and after
       which only pooling, activation, dropout, reshaping and vector layers (dense layers and
       everything else that outputs no map) follow. Choose the one with the highest resolution;
       among equals, the last.
    2. Without such a layer, choose the last layer that every path passes through.
    3. Without that, the network has parallel branches, such as two backbones. Consider the last
       layers of the branches, after which only operations as in rule 1 follow. Choose the one with
       the highest resolution; among equals, the one with the most channels; among equals, the last.

    Rule 1 exists for networks such as VGG16, which pool once more between their last convolution
    (14 x 14) and their dense layers. Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) explains
    VGG16 at the last convolution, and pooling adds no features, it only makes the map coarser.
    After convolution, batch normalization and ReLU the rule chooses the output of the ReLU, which
    feeds the pooling: the paper's rectified feature maps. The convolution before the batch
    normalization is no choice, because the normalization still changes its features. Networks that
    end in global average pooling (ResNet, EfficientNet, MobileNet) keep their last spatial layer.
    """
    bottlenecks = []
    for candidate in candidates:
        try:
            bottlenecks.append((candidate, graph.calls_between([candidate.tensor], [scores])))
        except BypassError:
            continue
    spatial_ids = {id(candidate.call) for candidate in candidates}
    if not bottlenecks:
        return _choose_branch(graph, candidates, scores, spatial_ids)
    before_head = [
        candidate for candidate, rest in bottlenecks if _add_no_features(rest, spatial_ids)
    ]
    if before_head:
        # max returns the first of equals, so search from the end.
        finest = max(reversed(before_head), key=lambda candidate: candidate.cell_count)
        height, width, _ = finest.shape
        return TargetLayer(
            finest,
            f"it is the last layer at the highest resolution, {height} x {width}, that is "
            "followed only by pooling, activation, dropout and dense layers",
        )
    return TargetLayer(
        bottlenecks[-1][0],
        "it is the last layer that every path from the input to the scores passes through",
    )


def _choose_branch(
    graph: Graph, candidates: tuple[Candidate, ...], scores: Any, spatial_ids: set[int]
) -> TargetLayer:
    calls = graph.calls_between([graph.input], [scores])
    behind = {id(one): find_descendants(calls, one.tensor) for one in candidates}

    def calls_behind(candidate: Candidate) -> list[Call]:
        return [
            call
            for call in calls
            if call is not candidate.call
            and any(id(output) in behind[id(candidate)] for output in call.outputs)
        ]

    def is_before(one: Candidate, other: Candidate) -> bool:
        return one is not other and id(other.tensor) in behind[id(one)]

    ends = [one for one in candidates if _add_no_features(calls_behind(one), spatial_ids)]
    ends = ends or [one for one in candidates if not any(is_before(one, o) for o in candidates)]
    # Of the layers that follow each other, keep the finest; among equals, the last.
    ends = [
        one
        for one in ends
        if not any(is_before(one, other) and one.cell_count <= other.cell_count for other in ends)
        and not any(is_before(other, one) and one.cell_count < other.cell_count for other in ends)
    ]
    chosen = max(reversed(ends), key=lambda end: (end.cell_count, end.shape[2]))
    height, width, channels = chosen.shape
    others = ", ".join(end.path for end in ends if end is not chosen)
    comparison = (
        f"the most of the layers that end a branch (the others: {others}; several layers can be "
        "named)"
        if others
        else "and is the only layer that ends a branch"
    )
    return TargetLayer(
        chosen,
        "no layer is on every path from the input to the scores, and it has "
        f"{height} x {width} cells of {channels} channels, {comparison}",
    )


def _is_map(call: Call, spatial_ids: set[int]) -> bool:
    """Return whether the call outputs maps, or token sequences made of maps, not vectors."""
    return id(call) in spatial_ids or any(len(output.shape) == 3 for output in call.outputs)


def _add_no_features(calls: Iterable[Call], spatial_ids: set[int]) -> bool:
    return all(
        not _is_map(call, spatial_ids)
        or call.kind in _ACTIVATIONS
        or call.kind in _RESHAPING
        or "pool" in call.kind
        or "dropout" in call.kind
        for call in calls
    )
