"""A network cut in two at the target layer, so that gradients are taken through the rest alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras

from seewhy.errors import UnsupportedModel

Tensors = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Split:
    """A classifier in two parts that share the original's weights."""

    body: Tensors
    """Pictures (N, H, W, 3) → activation (N, h, w, C) of the target layer."""
    head: Tensors
    """Activation (N, h, w, C) → logits (N, classes)."""
    layer: str
    map_shape: tuple[int, int]
    input_shape: tuple[int, int, int]
    classes: int
    scoring: Literal["softmax", "sigmoid"]
    """What turns the logits into probabilities."""


def split(model: keras.Model, layer: str | None = None) -> Split:
    """Split at `layer`, or at the last layer with a spatial output. The model is not changed.

    Handles functional and Sequential models whose every path from input to output passes through
    the layer. A softmax or sigmoid at the end, fused or a layer of its own, is left out. Raises
    `UnsupportedModel`, which says what to do.
    """
    picture, scores = _ends(model)
    target = _target(model, layer)
    trunk_end, last, activation = _logits(model, scores)
    try:
        body = keras.Function(picture, target.output)
        trunk = keras.Function(target.output, trunk_end)
    except ValueError as error:
        raise UnsupportedModel(
            f"the layer {target.name!r} cannot be explained: parts of the network go around it. "
            "Choose a layer that every path from the input to the output passes through."
        ) from error
    _, height, width, _ = target.output.shape
    return Split(
        body=body,
        head=trunk if last is None else lambda tensor: last(trunk(tensor)),
        layer=target.name,
        map_shape=(height, width),
        input_shape=tuple(picture.shape[1:]),
        classes=scores.shape[-1],
        scoring="sigmoid" if activation == "sigmoid" else "softmax",
    )


def _ends(model: keras.Model) -> tuple[Any, Any]:
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise UnsupportedModel(
            f"the model {model.name!r} has no graph to split: build it as a functional or "
            "Sequential model with a fixed input shape."
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnsupportedModel(
            f"the model {model.name!r} has {len(inputs)} inputs and {len(outputs)} outputs: "
            "wrap it in one that takes one picture and gives one row of class scores."
        )
    picture, scores = inputs[0], outputs[0]
    if len(picture.shape) != 4 or None in picture.shape[1:] or picture.shape[-1] != 3:
        raise UnsupportedModel(
            f"the model {model.name!r} takes {picture.shape}: build it for RGB pictures of a "
            "fixed size, (None, height, width, 3)."
        )
    if len(scores.shape) != 2:
        raise UnsupportedModel(
            f"the model {model.name!r} gives {scores.shape}: only classifiers, which give one row "
            "of class scores per picture, can be explained."
        )
    return picture, scores


def _target(model: keras.Model, name: str | None) -> keras.layers.Layer:
    # A map of one cell shows nothing, and what comes straight from the input is no feature.
    spatial = [
        layer
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer) and _is_spatial(layer)
    ]
    if not spatial:
        raise UnsupportedModel(
            f"the model {model.name!r} has no layer with a spatial output (N, height, width, "
            "channels) at its top level: if it wraps another model, build it flat."
        )
    if name is None:
        return spatial[-1]
    for layer in spatial:
        if layer.name == name:
            return layer
    known = ", ".join(layer.name for layer in spatial[-8:])
    raise UnsupportedModel(
        f"the model {model.name!r} has no layer {name!r} with a spatial output; its last are: "
        f"{known}."
    )


def _is_spatial(layer: keras.layers.Layer) -> bool:
    match getattr(layer.output, "shape", ()):
        case (_, int(height), int(width), int()):
            return height * width > 1
    return False


def _logits(model: keras.Model, scores: Any) -> tuple[Any, keras.layers.Layer | None, str]:
    """Find the logits: `(tensor, layer, activation)`, where the layer, if any, is still to apply.

    An activation of its own is dropped; one fused into the last layer needs that layer anew,
    linear, with a copy of its weights.
    """
    steps = keras.Function(model.inputs[0], scores).operations
    last = next((step for step in steps if step.output is scores), None)
    if last is None:
        raise UnsupportedModel(
            f"the last layer of the model {model.name!r} is also called elsewhere: give the model "
            "a last layer of its own."
        )
    if type(last).__name__ in {"Softmax", "Sigmoid"}:
        return last.input, None, type(last).__name__.lower()
    activation = getattr(getattr(last, "activation", None), "__name__", "linear")
    if activation == "linear":
        return scores, None, activation
    if activation not in {"softmax", "sigmoid"}:
        raise UnsupportedModel(
            f"the model {model.name!r} ends in {activation}: only classifiers that end in logits, "
            "softmax or sigmoid can be explained."
        )
    if isinstance(last, keras.layers.Activation):
        return last.input, None, activation
    return last.input, _linear_twin(last), activation


def _linear_twin(layer: keras.layers.Layer) -> keras.layers.Layer:
    twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    twin.build(layer.input.shape)
    twin.set_weights(layer.get_weights())
    return twin
