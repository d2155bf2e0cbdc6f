"""How a classifier ends: the activation that is cut off, so that scores are logits."""

from typing import Any, Literal

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.channel_layout import clone_layer
from seewhy_worker.models.graph import Call, Graph

Scoring = Literal["softmax", "sigmoid"]

_SCORING: dict[str, Scoring] = {
    "softmax": "softmax",
    "log_softmax": "softmax",
    "logsoftmax": "softmax",
    "sigmoid": "sigmoid",
}
# In inference these hand on the numbers they are given, in another shape at most.
_PASSING = {"cast", "dropout", "flatten", "identity", "reshape", "squeeze"}


def cut_activation(graph: Graph, scores: Any) -> tuple[Graph, str]:
    """Return the graph with `scores` as logits, and the name of the activation that was cut.

    The name is `linear` where there was none. An activation with a layer of its own is passed
    by; one fused into a layer needs that layer anew, linear, with a copy of its weights. Raises
    `UnsupportedModel` where what comes before the scores are no logits.
    """
    last = _last(graph, scores)
    if last is None:
        return graph, "linear"
    activation = _activation(last)
    if activation == "linear":
        _refuse_mixed_probabilities(graph, last)
        return graph, activation
    if activation not in _SCORING:
        raise UnsupportedModel(
            f"the network ends in {activation} (layer {last.path!r}): only classifiers that end "
            "in logits, softmax or sigmoid can be explained."
        )
    if _kind(last) == "activation" or _kind(last) in _SCORING:
        return graph.with_call(last, lambda logits, *_, **__: logits), activation
    linear = clone_layer(last.operation, last.inputs[0].shape, activation="linear")
    return graph.with_call(last, linear), activation


def scoring(activation: str, width: int) -> Scoring:
    """Say what turns logits into probabilities; `width` is how many the network gives.

    Raises `UnsupportedModel` for a softmax over one class, which is 1 whatever the picture.
    """
    if width > 1:
        return _SCORING.get(activation, "softmax")
    if _SCORING.get(activation) == "softmax":
        raise UnsupportedModel(
            "a softmax over one class is always 1: end the network in one sigmoid or two classes."
        )
    return "sigmoid"


def two_sided(logit: Any) -> Any:
    """Turn one logit z (N, 1), of a yes-or-no classifier, into scores (N, 2): -z and z."""
    return keras.ops.concatenate([-logit, logit], axis=-1)


def _last(graph: Graph, symbol: Any) -> Call | None:
    call = graph.maker(symbol)
    while call is not None and _passes(call):
        call = graph.maker(call.inputs[0])
    return call


def _passes(call: Call) -> bool:
    return _kind(call) in _PASSING or (
        _kind(call) == "activation" and _activation(call) == "linear"
    )


def _kind(call: Call) -> str:
    return type(call.operation).__name__.lower()


def _activation(call: Call) -> str:
    if _kind(call) in _SCORING:
        return _kind(call)
    fused = getattr(call.operation, "activation", None)
    if fused is None:
        return "linear"
    return str(getattr(fused, "__name__", type(fused).__name__.lower()))


def _refuse_mixed_probabilities(graph: Graph, last: Call) -> None:
    if getattr(last.operation, "weights", []):
        return
    for symbol in last.inputs:
        before = _last(graph, symbol)
        if before is not None and _activation(before) in _SCORING:
            raise UnsupportedModel(
                f"the network's scores are made of probabilities (layer {last.path!r} after "
                f"{before.path!r}): explain one of its members, or join their logits instead."
            )
