"""Split a network at the target layer, so that gradients run through the head only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import OutputKind
from seewhy_worker.models.splitting.candidates import Candidate, find_layer
from seewhy_worker.models.splitting.channel_layout import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    is_channels_first_image,
)
from seewhy_worker.models.splitting.cuts import Cut, find_cuts
from seewhy_worker.models.splitting.graph import Graph, run
from seewhy_worker.models.splitting.network import Network, make_network
from seewhy_worker.models.splitting.output_activation import (
    choose_probability_function,
    two_class_scores,
)
from seewhy_worker.models.splitting.receptive_field import find_receptive_field
from seewhy_worker.models.splitting.segments import segment_scores
from seewhy_worker.models.splitting.similarity import cosine_similarities, directions_of
from seewhy_worker.models.splitting.target_layer import (
    choose_coarsest_layer,
    choose_target_layer,
)
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.model_facts import ProbabilityFunction, ReceptiveField


@dataclass(frozen=True, slots=True)
class SplitModel:
    """A network as a body and a head, which share the weights of the original model."""

    body: Callable[[Any], CutTensors]
    """Pixels (N, H, W, channels) → the cut at the first target layer."""
    cuts: Callable[[CutTensors], list[CutTensors]]
    """That cut → the cuts at all target layers, in execution order."""
    last_head: Callable[[CutTensors], Any]
    """The cut at the last target layer → logits (N, classes)."""
    layers: tuple[str, ...]
    """Paths of the target layers in execution order, for example `backbone/block5_conv3`."""
    layer_reason: str
    """Why these layers: a clause that completes "chosen because …"."""
    map_shape: tuple[int, int]
    """(h, w) of the first target layer."""
    input_shape: tuple[int, int, int]
    """(H, W, channels), with three channels or one."""
    classes: int
    """The number of classes, or of values."""
    probability_function: ProbabilityFunction
    """Turns the logits into probabilities."""
    removed_activation: str
    """The output activation that the split removed; `linear` if there was none."""
    candidates: tuple[Candidate, ...]
    """Every layer that a map can be drawn for, in execution order."""
    receptive_field: ReceptiveField | None
    """That of a cell of the target layer; None for several layers, and when it is not known."""
    network: Network = field(repr=False)
    """What was split."""
    first_cut: Cut = field(repr=False)
    """The cut at the first target layer, as symbolic tensors."""

    @property
    def layer(self) -> str:
        """The target layers for display, joined by " + "."""
        return " + ".join(self.layers)

    @property
    def score_grid(self) -> tuple[int, int] | None:
        """(h, w) of the pixels that a model of segments scores; None for other models."""
        return self.network.score_grid

    @property
    def cut_name(self) -> str:
        """Names what the body computes; the path of the first target layer if nothing bypasses it.

        Splits of one network with equal names share their bodies.
        """
        return self.first_cut.name

    def activations(self, cut: CutTensors) -> list[Any]:
        """Return the activations of all target layers, from the cut at the first."""
        return [activation for activation, *_ in self.cuts(cut)]

    def head(self, cut: CutTensors) -> Any:
        """Map the cut at the first target layer to logits (N, classes)."""
        return self.head_with_activations(cut)[-1]

    def head_with_activations(self, cut: CutTensors) -> list[Any]:
        """Return the activations of all target layers, then the logits (N, classes)."""
        cuts = self.cuts(cut)
        return [*(activation for activation, *_ in cuts), self.last_head(cuts[-1])]

    def at(self, layers: str | Sequence[str]) -> "SplitModel":
        """Split the same network at other layers. Raises `UnsupportedModel`."""
        return _split(self.network, layers)

    def embed(self, pixels: Any) -> Any:
        """Return the output for pixels (N, H, W, channels) as it is, before any comparison."""
        graph, scores = self.network.portable_graph, self.network.scores
        calls = graph.calls_between([graph.input], [scores])
        (outputs,) = run(calls, [graph.input], [_to_input(graph, pixels)], [scores])
        return outputs

    def compared_with(
        self, references: NDArray[np.float32], layer: str | Sequence[str] | None
    ) -> "SplitModel":
        """Split a network of values at `layer` with other scores.

        They are the cosine similarities of its output (N, length) to `references` (R, length).
        """
        return _split(replace(self.network, references=references), layer)


def split(
    model: keras.Model,
    layer: str | Sequence[str] | None = None,
    *,
    output: str | None = None,
    outputs: OutputKind = "classes",
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Sequence[float]] | None = None,
) -> SplitModel:
    """Split at `layer`, or at the layer that `choose_target_layer` chooses.

    `layer` is a path such as `backbone/block5_conv3` or an unambiguous end of one. With several
    layers the network is split at the first, and `activations` gives those of the others.
    `output` selects one of several outputs. `size`, (height, width) in pixels, applies to networks
    that leave their input size open. `inputs` are the values of the inputs beside the image, zeros
    by default. The model is not changed. A final softmax or sigmoid is
    removed. A network with a single logit z becomes a classifier of two classes with the logits
    -z and z. With `outputs` of values nothing is removed or added; those of segments become one
    score for each class, see `segment_scores`. Raises `UnsupportedModel` with a remedy.
    """
    network = make_network(model, output=output, outputs=outputs, size=size, inputs=inputs)
    return _split(network, layer)


def shared_body(models: Sequence[SplitModel]) -> Callable[[Any], list[CutTensors]]:
    """Return a function from pixels (N, H, W, channels) to the first cuts of splits of one network.

    It runs the network once.
    """
    if len(models) == 1:
        return lambda pixels: [models[0].body(pixels)]
    return _make_body(models[0].network, [model.first_cut for model in models])


def _split(network: Network, layer: str | Sequence[str] | None) -> SplitModel:
    names = (layer,) if isinstance(layer, str) else tuple(layer or ())
    if names:
        chosen_ids = {id(find_layer(network.candidates, name)) for name in names}
        targets = tuple(one for one in network.candidates if id(one) in chosen_ids)
        reason = "it is named explicitly" if len(targets) == 1 else "they are named explicitly"
    else:
        choose = choose_coarsest_layer if network.outputs == "segments" else choose_target_layer
        choice = choose(network.graph, network.candidates, network.scores)
        targets, reason = (choice.candidate,), choice.reason
    cuts = find_cuts(network.graph, targets, network.scores)
    body = _make_body(network, cuts[:1])
    width, has_probabilities = network.scores.shape[-1], network.outputs == "classes"
    return SplitModel(
        body=lambda pixels: body(pixels)[0],
        cuts=_make_cuts(network, cuts),
        last_head=_make_last_head(network, cuts[-1]),
        layers=tuple(target.path for target in targets),
        layer_reason=reason,
        map_shape=targets[0].shape[:2],
        input_shape=network.input_shape,
        classes=_count_scores(network),
        probability_function=choose_probability_function(network.removed_activation, width)
        if has_probabilities
        else "none",
        removed_activation=network.removed_activation,
        candidates=network.candidates,
        receptive_field=_find_field(network, targets),
        network=network,
        first_cut=cuts[0],
    )


def _count_scores(network: Network) -> int:
    if network.references is not None:
        return len(network.references)
    width: int = network.scores.shape[-1]
    return width if network.outputs == "values" else max(2, width)


def _find_field(network: Network, targets: tuple[Candidate, ...]) -> ReceptiveField | None:
    graph, target = network.graph, targets[0].tensor
    calls = graph.calls_between([graph.input], [target])
    return find_receptive_field(calls, graph.input, target) if len(targets) == 1 else None


def _make_body(network: Network, cuts: Sequence[Cut]) -> Callable[[Any], list[CutTensors]]:
    graph = network.portable_graph
    tensors = [tensor for cut in cuts for tensor in cut.tensors]
    calls = graph.calls_between([graph.input], tensors)

    def body(pixels: Any) -> list[CutTensors]:
        values = iter(run(calls, [graph.input], [_to_input(graph, pixels)], tensors))
        return [
            _to_channels_last(tuple(next(values) for _ in cut.tensors), cut.target) for cut in cuts
        ]

    return body


def _to_input(graph: Graph, pixels: Any) -> Any:
    value = keras.ops.cast(pixels, graph.input.dtype)
    is_first = is_channels_first_image(graph.input.shape)
    return keras.ops.transpose(value, TO_CHANNELS_FIRST) if is_first else value


def _make_cuts(network: Network, cuts: Sequence[Cut]) -> Callable[[CutTensors], list[CutTensors]]:
    segments = [
        (cut, next_cut, network.portable_graph.calls_between(cut.tensors, next_cut.tensors))
        for cut, next_cut in pairwise(cuts)
    ]

    def all_cuts(first: CutTensors) -> list[CutTensors]:
        results = [first]
        for cut, next_cut, calls in segments:
            values = _from_channels_last(results[-1], cut.target)
            found = run(calls, cut.tensors, values, next_cut.tensors)
            results.append(_to_channels_last(found, next_cut.target))
        return results

    return all_cuts


def _make_last_head(network: Network, cut: Cut) -> Callable[[CutTensors], Any]:
    scores = network.scores
    is_binary = network.outputs != "values" and scores.shape[-1] == 1
    references = network.references
    calls = network.portable_graph.calls_between(cut.tensors, [scores])

    def head(values: CutTensors) -> Any:
        (logits,) = run(calls, cut.tensors, _from_channels_last(values, cut.target), [scores])
        logits = two_class_scores(logits) if is_binary else logits
        if references is not None:
            chosen = network.scoring.directions
            return cosine_similarities(
                logits, directions_of(references) if chosen is None else chosen
            )
        if network.outputs == "segments":
            return segment_scores(logits, network.scoring.selection)
        return logits

    return head


def _from_channels_last(values: CutTensors, target: Candidate) -> CutTensors:
    activation, *bypass = values
    if target.is_channels_first:
        activation = keras.ops.transpose(activation, TO_CHANNELS_FIRST)
    return activation, *bypass


def _to_channels_last(values: CutTensors, target: Candidate) -> CutTensors:
    activation, *bypass = values
    if target.is_channels_first:
        activation = keras.ops.transpose(activation, TO_CHANNELS_LAST)
    return activation, *bypass
