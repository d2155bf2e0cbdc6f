"""Split a network at the target layer, so that gradients run through the head only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.candidates import Candidate, find_candidates, find_layer
from seewhy_worker.models.splitting.channel_layout import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    is_channels_first_image,
    with_portable_convolutions,
)
from seewhy_worker.models.splitting.graph import BypassError, Call, Graph, flatten, has_graph, run
from seewhy_worker.models.splitting.output_activation import (
    ProbabilityFunction,
    choose_probability_function,
    remove_output_activation,
    two_class_scores,
)
from seewhy_worker.models.splitting.receptive_field import ReceptiveField, find_receptive_field
from seewhy_worker.models.splitting.target_layer import choose_target_layer

TensorFunction = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class SplitModel:
    """A classifier as a body and a head, which share the weights of the original model."""

    body: TensorFunction
    """Pixels (N, H, W, 3) → activation (N, h, w, C) of the first target layer."""
    activations: Callable[[Any], list[Any]]
    """That activation → the activations of all target layers, in execution order."""
    last_head: TensorFunction
    """The activation of the last target layer → logits (N, classes)."""
    layers: tuple[str, ...]
    """Paths of the target layers in execution order, for example `backbone/block5_conv3`."""
    layer_reason: str
    """Why these layers: a clause that completes "chosen because …"."""
    map_shape: tuple[int, int]
    """(h, w) of the first target layer, which has the highest resolution."""
    input_shape: tuple[int, int, int]
    """(H, W, 3)."""
    classes: int
    """The number of classes."""
    probability_function: ProbabilityFunction
    """Turns the logits into probabilities."""
    removed_activation: str
    """The output activation that the split removed; `linear` if there was none."""
    candidates: tuple[Candidate, ...]
    """Every layer that a map can be drawn for, in execution order."""
    receptive_field: ReceptiveField | None
    """That of a cell of the target layer; None for several layers, and when it is not known."""

    @property
    def layer(self) -> str:
        """The target layers for display, joined by " + "."""
        return " + ".join(self.layers)

    def head(self, activation: Any) -> Any:
        """Map the activation (N, h, w, C) of the first target layer to logits (N, classes)."""
        return self.head_with_activations(activation)[-1]

    def head_with_activations(self, activation: Any) -> list[Any]:
        """Return the activations of all target layers, then the logits (N, classes)."""
        activations = self.activations(activation)
        return [*activations, self.last_head(activations[-1])]


def split(
    model: keras.Model,
    layer: str | Sequence[str] | None = None,
    *,
    output: str | None = None,
    size: tuple[int, int] | None = None,
) -> SplitModel:
    """Split at `layer`, or at the layer that `choose_target_layer` chooses.

    `layer` is a path such as `backbone/block5_conv3` or an unambiguous end of one. With several
    layers the network is split at the first, and `activations` gives those of the others.
    `output` selects one of several outputs. `size`, (height, width) in pixels, applies to networks
    that leave their input size open. The model is not changed. A final softmax or sigmoid is
    removed. A network with a single logit z becomes a classifier of two classes with the logits
    -z and z. Raises `UnsupportedModel` with a remedy.
    """
    graph = flatten(model, _input_shape(model, size))
    scores = _select_output(graph, output)
    graph, removed_activation = remove_output_activation(graph, scores)
    candidates = find_candidates(graph, scores)
    names = (layer,) if isinstance(layer, str) else tuple(layer or ())
    if names:
        chosen_ids = {id(find_layer(candidates, name)) for name in names}
        targets = tuple(one for one in candidates if id(one) in chosen_ids)
        reason = "it is named explicitly" if len(targets) == 1 else "they are named explicitly"
    else:
        choice = choose_target_layer(graph, candidates, scores)
        targets, reason = (choice.candidate,), choice.reason
    field = _find_field(graph, targets)
    graph = with_portable_convolutions(graph)
    *segments, last_segment = _split_head(graph, targets, scores)
    width = scores.shape[-1]
    height_px, width_px = _spatial_size(graph.input.shape)
    return SplitModel(
        body=_make_body(graph, targets[0]),
        activations=_make_activations(segments, targets),
        last_head=_make_last_head(last_segment, targets[-1], scores),
        layers=tuple(target.path for target in targets),
        layer_reason=reason,
        map_shape=targets[0].shape[:2],
        input_shape=(height_px, width_px, 3),
        classes=max(2, width),
        probability_function=choose_probability_function(removed_activation, width),
        removed_activation=removed_activation,
        candidates=candidates,
        receptive_field=field,
    )


def _find_field(graph: Graph, targets: tuple[Candidate, ...]) -> ReceptiveField | None:
    target = targets[0].tensor
    calls = graph.calls_between(graph.input, target)
    return find_receptive_field(calls, graph.input, target) if len(targets) == 1 else None


def _split_head(
    graph: Graph, targets: tuple[Candidate, ...], scores: Any
) -> list[tuple[Call, ...]]:
    """Return the calls from each target layer to the next one, and from the last to the scores."""
    tensors = [*(target.tensor for target in targets), scores]
    segments = []
    for target, (start, end) in zip(targets, pairwise(tensors), strict=True):
        try:
            segments.append(graph.calls_between(start, end))
        except BypassError:
            raise UnsupportedModel(
                f"the layer {target.path!r} cannot be explained because another path (for example "
                "a skip connection) bypasses it. Choose a layer that every path from the input to "
                "the output passes through."
            ) from None
    return segments


def _make_body(graph: Graph, target: Candidate) -> TensorFunction:
    calls = graph.calls_between(graph.input, target.tensor)
    input_is_first = is_channels_first_image(graph.input.shape)

    def body(pixels: Any) -> Any:
        value = keras.ops.cast(pixels, graph.input.dtype)
        value = keras.ops.transpose(value, TO_CHANNELS_FIRST) if input_is_first else value
        return _to_channels_last(run(calls, graph.input, value, target.tensor), target)

    return body


def _make_activations(
    segments: list[tuple[Call, ...]], targets: tuple[Candidate, ...]
) -> Callable[[Any], list[Any]]:
    def activations(first: Any) -> list[Any]:
        results = [first]
        for calls, (target, next_target) in zip(segments, pairwise(targets), strict=True):
            value = _from_channels_last(results[-1], target)
            value = run(calls, target.tensor, value, next_target.tensor)
            results.append(_to_channels_last(value, next_target))
        return results

    return activations


def _make_last_head(calls: tuple[Call, ...], target: Candidate, scores: Any) -> TensorFunction:
    def head(activation: Any) -> Any:
        logits = run(calls, target.tensor, _from_channels_last(activation, target), scores)
        return two_class_scores(logits) if scores.shape[-1] == 1 else logits

    return head


def _from_channels_last(activation: Any, target: Candidate) -> Any:
    if target.is_channels_first:
        return keras.ops.transpose(activation, TO_CHANNELS_FIRST)
    return activation


def _to_channels_last(activation: Any, target: Candidate) -> Any:
    if target.is_channels_first:
        return keras.ops.transpose(activation, TO_CHANNELS_LAST)
    return activation


def _input_shape(model: keras.Model, size: tuple[int, int] | None) -> tuple[int, int, int]:
    if not has_graph(model):
        raise UnsupportedModel(
            f"the model {model.name!r} has no static graph to split: build it as a functional or "
            "Sequential model with a fixed input shape."
        )
    if len(model.inputs) != 1:
        raise UnsupportedModel(
            f"the model {model.name!r} has {len(model.inputs)} inputs: wrap it in a model that "
            "takes one image."
        )
    shape = model.inputs[0].shape
    if len(shape) == 4 and 3 in {shape[1], shape[-1]}:
        default_size = size or (None, None)
        match [
            fixed or default
            for fixed, default in zip(_spatial_size(shape), default_size, strict=True)
        ]:
            case [int(height_px), int(width_px)]:
                if is_channels_first_image(shape):
                    return 3, height_px, width_px
                return height_px, width_px, 3
    raise UnsupportedModel(
        f"the model {model.name!r} has the input shape {shape}: build it for RGB images of a fixed "
        "size, (None, height, width, 3) or (None, 3, height, width)."
    )


def _spatial_size(shape: tuple[int | None, ...]) -> Any:
    """Return (height, width) of an image shape in either channel layout."""
    return shape[2:] if is_channels_first_image(shape) else shape[1:3]


def _select_output(graph: Graph, output: str | None) -> Any:
    names = ", ".join(graph.outputs)
    if output is None and len(graph.outputs) > 1:
        raise UnsupportedModel(
            f"the model has {len(graph.outputs)} outputs, {names}: choose one with `output` in "
            "the catalog or `--output` on the command line."
        )
    name = output or names
    if name not in graph.outputs:
        raise UnsupportedModel(f"the model has no output {name!r}; its outputs are: {names}.")
    scores = graph.outputs[name]
    if len(scores.shape) != 2 or scores.shape[-1] is None:
        raise UnsupportedModel(
            f"the output {name!r} has the shape {scores.shape}: only classifiers, which output "
            "one row of class scores per image, can be explained."
        )
    return scores
