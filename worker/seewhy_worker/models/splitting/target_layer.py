"""Choose the target layer of a network when nobody names one."""

from dataclasses import dataclass
from typing import Any

from seewhy_worker.models.splitting.candidates import Candidate
from seewhy_worker.models.splitting.graph import BypassError, Call, Graph

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


def choose_target_layer(
    graph: Graph, candidates: tuple[Candidate, ...], scores: Any
) -> TargetLayer:
    """Choose the layer that people who name a layer usually name.

    1. Consider the layers that every path from the input to the scores passes through, and after
       which only pooling, activation, dropout, reshaping and vector layers (dense layers and
       everything else that outputs no map) follow. Choose the one with the highest resolution;
       among equals, the last.
    2. Without such a layer, choose the last layer that every path passes through.
    3. Without that, choose the last candidate, which the split then refuses with a remedy.

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
            bottlenecks.append((candidate, graph.calls_between(candidate.tensor, scores)))
        except BypassError:
            continue
    if not bottlenecks:
        return TargetLayer(candidates[-1], "it is the last layer with a spatial output")
    spatial_ids = {id(candidate.call) for candidate in candidates}
    before_head = [
        candidate
        for candidate, rest in bottlenecks
        if all(_adds_no_features(call, is_spatial=_is_map(call, spatial_ids)) for call in rest)
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


def _is_map(call: Call, spatial_ids: set[int]) -> bool:
    """Return whether the call outputs maps, or token sequences made of maps, not vectors."""
    return id(call) in spatial_ids or any(len(output.shape) == 3 for output in call.outputs)


def _adds_no_features(call: Call, *, is_spatial: bool) -> bool:
    return (
        not is_spatial
        or call.kind in _ACTIVATIONS
        or call.kind in _RESHAPING
        or "pool" in call.kind
        or "dropout" in call.kind
    )
