"""A network cut in two at the target layer, so that gradients are taken through the rest alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.candidates import (
    Candidate,
    find_candidates,
    last_passed_by_all,
    named,
)
from seewhy_worker.models.channel_layout import (
    TO_FIRST,
    TO_LAST,
    picture_is_channels_first,
    runnable,
)
from seewhy_worker.models.graph import Call, Disconnected, Graph, flatten, has_graph, run
from seewhy_worker.models.output_activation import cut_activation, scoring, two_sided

Tensors = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class SplitModel:
    """A classifier in two parts that share the original's weights."""

    body: Tensors
    """Pictures (N, H, W, 3) → activation (N, h, w, C) of the target layer, the first of several."""
    through: Callable[[Any], list[Any]]
    """That activation → the activations of all target layers, and the logits (N, classes)."""
    layers: tuple[str, ...]
    """The target layers' paths, first to last; `backbone/block5_conv3` when it is nested."""
    map_shape: tuple[int, int]
    """That of the finest target layer, which is the first."""
    input_shape: tuple[int, int, int]
    classes: int
    scoring: Literal["softmax", "sigmoid"]
    """What turns the logits into probabilities."""
    activation: str
    """What was cut off the end of the network; `linear` when there was nothing."""
    candidates: tuple[Candidate, ...]
    """What a map could be drawn of, first to last."""

    @property
    def layer(self) -> str:
        """The target layers as people read them."""
        return " + ".join(self.layers)

    def head(self, activation: Any) -> Any:
        """Activation (N, h, w, C) of the first target layer → logits (N, classes)."""
        return self.through(activation)[-1]


def split(
    model: keras.Model,
    layer: str | Sequence[str] | None = None,
    *,
    output: str | None = None,
    size: tuple[int, int] | None = None,
) -> SplitModel:
    """Split at `layer`, or at the last that every path to the scores passes through.

    `layer` is a path, `backbone/block5_conv3`, or the end of one when that is unambiguous. Of
    several, the network is split at the first, and the others are met on the way through the head.
    `output` names one of several outputs, and `size`, (height, width), decides for a network that
    leaves its own open. The model is not changed. A softmax or sigmoid at the end is left out; a
    network with one score z becomes one of two classes, scored -z and z. Raises
    `UnsupportedModel`, which says what to do.
    """
    graph = flatten(model, _picture_shape(model, size))
    scores = _scores(graph, output)
    graph, activation = cut_activation(graph, scores)
    candidates = find_candidates(graph, scores)
    wanted = (layer,) if isinstance(layer, str) else layer or ()
    named_ones = {id(one): one for one in (named(candidates, name) for name in wanted)}
    targets = tuple(one for one in candidates if id(one) in named_ones) or (
        last_passed_by_all(graph, candidates, scores),
    )
    graph = runnable(graph)
    stretches = _stretches(graph, targets, scores)
    width = scores.shape[-1]
    height_px, width_px = _size(graph.picture.shape)
    return SplitModel(
        body=_body(graph, targets[0]),
        through=_through(stretches, targets, scores),
        layers=tuple(target.call.path for target in targets),
        map_shape=targets[0].shape[:2],
        input_shape=(height_px, width_px, 3),
        classes=max(2, width),
        scoring=scoring(activation, width),
        activation=activation,
        candidates=candidates,
    )


def _stretches(graph: Graph, targets: tuple[Candidate, ...], scores: Any) -> list[tuple[Call, ...]]:
    """Cut the way from the first target to the scores at every other target."""
    ends = [*(target.tensor for target in targets[1:]), scores]
    stretches = []
    for target, end in zip(targets, ends, strict=True):
        try:
            stretches.append(graph.leading(target.tensor, end))
        except Disconnected:
            raise UnsupportedModel(
                f"the layer {target.call.path!r} cannot be explained: parts of the network go "
                "around it. Choose a layer that every path from the input to the output passes "
                "through."
            ) from None
    return stretches


def _body(graph: Graph, target: Candidate) -> Tensors:
    calls = graph.leading(graph.picture, target.tensor)
    turned = picture_is_channels_first(graph.picture.shape)

    def body(pixels: Any) -> Any:
        given = keras.ops.cast(pixels, graph.picture.dtype)
        given = keras.ops.transpose(given, TO_FIRST) if turned else given
        activation = run(calls, graph.picture, given, target.tensor)
        return keras.ops.transpose(activation, TO_LAST) if target.is_channels_first else activation

    return body


def _through(
    stretches: list[tuple[Call, ...]], targets: tuple[Candidate, ...], scores: Any
) -> Callable[[Any], list[Any]]:
    def through(activation: Any) -> list[Any]:
        met = [activation]
        for calls, target, following in zip(stretches, targets, [*targets[1:], None], strict=True):
            value = met[-1]
            value = keras.ops.transpose(value, TO_FIRST) if target.is_channels_first else value
            if following is None:
                logits = run(calls, target.tensor, value, scores)
                met.append(two_sided(logits) if scores.shape[-1] == 1 else logits)
            else:
                value = run(calls, target.tensor, value, following.tensor)
                first = following.is_channels_first
                met.append(keras.ops.transpose(value, TO_LAST) if first else value)
        return met

    return through


def _picture_shape(model: keras.Model, size: tuple[int, int] | None) -> tuple[int, int, int]:
    if not has_graph(model):
        raise UnsupportedModel(
            f"the model {model.name!r} has no graph to split: build it as a functional or "
            "Sequential model with a fixed input shape."
        )
    if len(model.inputs) != 1:
        raise UnsupportedModel(
            f"the model {model.name!r} has {len(model.inputs)} inputs: wrap it in one that takes "
            "one picture."
        )
    shape = model.inputs[0].shape
    if len(shape) == 4 and 3 in {shape[1], shape[-1]}:
        wanted = size or (None, None)
        match [known or open_ for known, open_ in zip(_size(shape), wanted, strict=True)]:
            case [int(height_px), int(width_px)]:
                if picture_is_channels_first(shape):
                    return 3, height_px, width_px
                return height_px, width_px, 3
    raise UnsupportedModel(
        f"the model {model.name!r} takes {shape}: build it for RGB pictures of a fixed size, "
        "(None, height, width, 3) or (None, 3, height, width)."
    )


def _size(shape: tuple[int | None, ...]) -> Any:
    return shape[2:] if picture_is_channels_first(shape) else shape[1:3]


def _scores(graph: Graph, output: str | None) -> Any:
    known = ", ".join(graph.outputs)
    if output is None and len(graph.outputs) > 1:
        raise UnsupportedModel(
            f"the model has {len(graph.outputs)} outputs, {known}: say which one is to be "
            "explained, as `output` in the catalogue."
        )
    name = output or known
    if name not in graph.outputs:
        raise UnsupportedModel(f"the model has no output {name!r}; its outputs are: {known}.")
    scores = graph.outputs[name]
    if len(scores.shape) != 2 or scores.shape[-1] is None:
        raise UnsupportedModel(
            f"the output {name!r} gives {scores.shape}: only classifiers, which give one row of "
            "class scores per picture, can be explained."
        )
    return scores
