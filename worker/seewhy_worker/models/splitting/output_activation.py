"""Remove the activation at the end of a classifier, so that its scores are logits."""

from typing import Any

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.channel_layout import clone_layer
from seewhy_worker.models.splitting.graph import Call, Graph
from seewhy_worker.ports.model_facts import ProbabilityFunction

_PROBABILITY_FUNCTIONS: dict[str, ProbabilityFunction] = {
    "softmax": "softmax",
    "log_softmax": "softmax",
    "logsoftmax": "softmax",
    "sigmoid": "sigmoid",
}
# In inference these operations change the shape or type of their input at most.
_VALUE_PRESERVING = {"cast", "dropout", "flatten", "identity", "reshape", "squeeze"}


def remove_output_activation(graph: Graph, scores: Any) -> tuple[Graph, str]:
    """Return a graph with `scores` as logits, and the name of the activation it removed.

    The name is `linear` when the network already outputs logits. An activation layer is bypassed;
    an activation fused into a layer is removed from a clone of that layer. Raises
    `UnsupportedModel` when no logits precede the scores.
    """
    call = _last_computing_call(graph, scores)
    if call is None:
        return graph, "linear"
    activation = _activation_name(call)
    if activation == "linear":
        _refuse_combined_probabilities(graph, call)
        return graph, activation
    if activation not in _PROBABILITY_FUNCTIONS:
        raise UnsupportedModel(
            f"the network ends in {activation} (layer {call.path!r}), and a classifier ends in "
            'logits, softmax or sigmoid: if it outputs values, say so with `scores = "values"` in '
            "the catalog or `--scores values` on the command line."
        )
    if call.kind == "activation" or call.kind in _PROBABILITY_FUNCTIONS:
        return graph.with_operation(call, lambda logits, *_, **__: logits), activation
    linear = clone_layer(call.operation, call.inputs[0].shape, activation="linear")
    return graph.with_operation(call, linear), activation


def choose_probability_function(activation: str, width: int) -> ProbabilityFunction:
    """Choose the function from logits to probabilities; `width` is the number of outputs.

    Raises `UnsupportedModel` for a softmax over one class, which is 1 for every image.
    """
    if width > 1:
        return _PROBABILITY_FUNCTIONS.get(activation, "softmax")
    if _PROBABILITY_FUNCTIONS.get(activation) == "softmax":
        raise UnsupportedModel(
            "a softmax over one class is always 1: end the network in one sigmoid or two classes."
        )
    return "sigmoid"


def two_class_scores(logit: Any) -> Any:
    """Turn the single logit z (N, 1) of a binary classifier into scores (N, 2): -z and z."""
    return keras.ops.concatenate([-logit, logit], axis=-1)


def _last_computing_call(graph: Graph, tensor: Any) -> Call | None:
    call = graph.producer(tensor)
    while call is not None and _preserves_values(call):
        call = graph.producer(call.inputs[0])
    return call


def _preserves_values(call: Call) -> bool:
    return call.kind in _VALUE_PRESERVING or (
        call.kind == "activation" and _activation_name(call) == "linear"
    )


def _activation_name(call: Call) -> str:
    if call.kind in _PROBABILITY_FUNCTIONS:
        return call.kind
    fused = getattr(call.operation, "activation", None)
    if fused is None:
        return "linear"
    return str(getattr(fused, "__name__", type(fused).__name__.lower()))


def _refuse_combined_probabilities(graph: Graph, call: Call) -> None:
    if getattr(call.operation, "weights", []):
        return
    for tensor in call.inputs:
        previous = _last_computing_call(graph, tensor)
        if previous is not None and _activation_name(previous) in _PROBABILITY_FUNCTIONS:
            raise UnsupportedModel(
                f"the network combines probabilities (layer {call.path!r} follows "
                f"{previous.path!r}), so it has no logits to explain: explain one of its members, "
                "or combine their logits instead."
            )
