"""Prepare a model for splitting: flat, with logits as scores, and with the layers to split at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UnsupportedModel
from seewhy.schemas.methods import OutputKind
from seewhy_worker.models.splitting.candidates import Candidate, find_candidates
from seewhy_worker.models.splitting.changing_scores import ChangingScores
from seewhy_worker.models.splitting.channel_layout import (
    CHANNEL_COUNTS,
    find_channels_first,
    is_channels_first_image,
    with_portable_convolutions,
)
from seewhy_worker.models.splitting.graph import Graph, flatten, has_graph
from seewhy_worker.models.splitting.inputs import (
    OtherInput,
    check_values,
    find_image_input,
    other_inputs,
)
from seewhy_worker.models.splitting.output_activation import remove_output_activation


@dataclass(frozen=True, slots=True)
class Network:
    """A flat network that outputs logits or values. It shares the weights of its model."""

    graph: Graph
    """The layers of the model."""
    portable_graph: Graph
    """The same tensors, computed by operations that run on any device."""
    scores: Any
    """The logits or values, as a symbolic tensor (N, classes); of segments (N, H, W, classes)."""
    outputs: OutputKind
    """Whether the scores are those of classes, values, or segments."""
    removed_activation: str
    """The output activation of the model; `linear` if there was none."""
    candidates: tuple[Candidate, ...]
    """Every layer that a map can be drawn for, in execution order."""
    others: Mapping[str, OtherInput]
    """The inputs beside the image, by name; all splits of the network read their values."""
    references: NDArray[np.float32] | None = None
    """Embeddings (R, length) that those of images are compared with."""
    scoring: ChangingScores = field(default_factory=ChangingScores)
    """What requests choose of the scores; all splits of the network read it."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, channels), even when the network is channels-first."""
        shape = self.graph.input.shape
        height_px, width_px = _spatial_size(shape)
        return height_px, width_px, shape[1] if is_channels_first_image(shape) else shape[-1]

    @property
    def score_grid(self) -> tuple[int, int] | None:
        """(h, w) of the pixels that a model of segments scores; None for other models."""
        height, width = self.scores.shape[1:3] if self.outputs == "segments" else (None, None)
        return (height, width) if height and width else None

    def set_inputs(self, values: Mapping[str, Sequence[float]]) -> None:
        """Use these values of all inputs beside the image, in every split and compiled graph.

        Raises `UnsupportedModel` when they are not those of the model.
        """
        check_values(self.others, values)
        for name, numbers in values.items():
            self.others[name].set(numbers)


def make_network(
    model: keras.Model,
    *,
    output: str | None = None,
    outputs: OutputKind = "classes",
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Sequence[float]] | None = None,
) -> Network:
    """Flatten the model, select one of its outputs and remove the activation of that output.

    With `outputs` of values nothing is removed: a value is what the network outputs.
    `size`, (height, width) in pixels, applies to models that leave their input size open. `inputs`
    are the values of the inputs beside the image; None means zeros. The model is not changed.
    Raises `UnsupportedModel` with a remedy.
    """
    shape = _input_shape(model, size)
    others = {name: OtherInput(tensor) for name, tensor in other_inputs(model).items()}
    graph = flatten(model, shape, others)
    scores = _select_output(graph, output, outputs)
    removed_activation = "linear"
    if outputs != "values":
        graph, removed_activation = remove_output_activation(graph, scores)
    candidates = find_candidates(graph, scores)
    portable_graph = with_portable_convolutions(graph)
    network = Network(
        graph, portable_graph, scores, outputs, removed_activation, candidates, others
    )
    if inputs is not None:
        network.set_inputs(inputs)
    return network


def _input_shape(model: keras.Model, size: tuple[int, int] | None) -> tuple[int, int, int]:
    if not has_graph(model):
        raise UnsupportedModel(
            f"the model {model.name!r} has no static graph to split: build it as a functional or "
            "Sequential model with a fixed input shape."
        )
    shape = find_image_input(model).shape
    if CHANNEL_COUNTS & {shape[1], shape[-1]}:
        default_size = size or (None, None)
        match [
            fixed or default
            for fixed, default in zip(_spatial_size(shape), default_size, strict=True)
        ]:
            case [int(height_px), int(width_px)]:
                if is_channels_first_image(shape):
                    return shape[1], height_px, width_px
                return height_px, width_px, shape[-1]
    raise UnsupportedModel(
        f"the model {model.name!r} has the input shape {shape}: build it for images of a fixed "
        "size, (None, height, width, channels) or (None, channels, height, width), with three "
        "channels or one."
    )


def _spatial_size(shape: tuple[int | None, ...]) -> Any:
    """Return (height, width) of an image shape in either channel layout."""
    return shape[2:] if is_channels_first_image(shape) else shape[1:3]


def _select_output(graph: Graph, output: str | None, outputs: OutputKind) -> Any:
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
    if outputs == "segments":
        _check_segments(graph, name)
    elif len(scores.shape) != 2 or scores.shape[-1] is None:
        raise UnsupportedModel(
            f"the output {name!r} has the shape {scores.shape}: only classifiers and regressions, "
            "which output one row of numbers per image, can be explained, and networks that score "
            'each pixel, with `scores = "segments"` in the catalog.'
        )
    return scores


def _check_segments(graph: Graph, name: str) -> None:
    scores = graph.outputs[name]
    if (
        len(scores.shape) != 4
        or scores.shape[-1] is None
        or id(scores) in find_channels_first(graph)
    ):
        raise UnsupportedModel(
            f"the output {name!r} has the shape {scores.shape}: segments are scores of classes for "
            "each pixel, (N, height, width, classes)."
        )
