"""The graphs of a bundle, and TensorFlow's for what it does not hold."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import METHODS
from seewhy_worker.bundles.network import BundledNetwork
from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.cam.methods import find_method
from seewhy_worker.openvino_backend.derivative_head import DerivativeHead
from seewhy_worker.ports.cuts import Activation, CutTensors
from seewhy_worker.ports.graphs import Graphs, Layers
from seewhy_worker.ports.heads import Head, HeadSpec, Pixels
from seewhy_worker.ports.model_facts import ModelFacts
from seewhy_worker.ports.scoring import Scoring

_log = logging.getLogger(__name__)

_LOGITS = Derivatives("logit", 0)


class BundledGraphs:
    """Implements `seewhy_worker.ports.graphs.Graphs`. Not thread-safe."""

    def __init__(self, network: BundledNetwork, *, load_others: Callable[[str], Graphs]) -> None:
        """Run the network of a bundle.

        `load_others(reason)` loads the model with TensorFlow, once; it raises what loading raises.
        """
        self._network = network
        self._load_others = load_others
        self._others: Graphs | None = None
        self._facts = network.contents.facts
        self._body = lru_cache(maxsize=None)(network.compile_body)
        self._derivatives = lru_cache(maxsize=network.heads_in_memory)(network.compile_head)
        self.forward = lru_cache(maxsize=None)(self._compile_forward)

    @property
    def engine(self) -> str:
        """The name of the engine that computes the bodies."""
        return self._network.contents.engine

    def set_inputs(self, values: Mapping[str, Sequence[float]]) -> None:
        """Refuse values, because a network with other inputs is never bundled.

        Raises `UnsupportedModel`.
        """
        if values:
            self._graphs_for("other inputs").set_inputs(values)

    def set_scoring(self, scoring: Scoring) -> None:
        """Score as `scoring` says from now on. Raises as loading the model does."""
        if self._others or not scoring.is_default:
            self._graphs_for("the scores of a selection").set_scoring(scoring)

    def model_at(self, layers: Layers) -> ModelFacts:
        """Return the model split at these layers. Raises `UnsupportedModel`."""
        if self._is_own(layers):
            return self._facts
        return self._graphs_for(f"the layers {', '.join(layers)}").model_at(layers)

    def cut_name(self, layers: Layers) -> str:
        """Return the name of the cut at the first of these layers. Raises `UnsupportedModel`."""
        if self._is_own(layers):
            return self._facts.cut_name
        return self._graphs_for(f"the layers {', '.join(layers)}").cut_name(layers)

    def body(
        self, splits: Iterable[Layers], batch: int
    ) -> Callable[[Pixels], dict[str, CutTensors]]:
        """Return the body to the cut of each of these splits. Raises `UnsupportedModel`."""
        splits = list(splits)
        if not all(map(self._is_own, splits)):
            return self._graphs_for("several layers").body(splits, batch)
        compiled = self._body(batch)
        return lambda pixels: {self._facts.cut_name: tuple(compiled(pixels))}

    def body_engine(self, splits: Iterable[Layers], batch: int) -> str:
        """Return what computes `body` of the same arguments, with its version and precision."""
        splits = list(splits)
        if all(map(self._is_own, splits)):
            return self.engine
        return self._graphs_for("several layers").body_engine(splits, batch)

    def head_engines(self, spec: HeadSpec) -> tuple[str, ...]:
        """Return what computes the passes of a head through the body, with versions."""
        if self._kind_of_own(spec) is not None:
            return ()
        return self._graphs_for(spec.method).head_engines(spec)

    def stack(self, activations: Sequence[Activation], batch: int) -> CutTensors:
        """Return the rows as one cut of `batch` images, filled up with zeros."""
        tensors = activations[0].tensors
        if not isinstance(tensors[0], np.ndarray):
            return self._graphs_for("activations").stack(activations, batch)
        if len(tensors[0]) == batch and all(
            one.tensors[0] is tensors[0] and one.row == row for row, one in enumerate(activations)
        ):
            return tensors
        stacked = tuple(np.zeros((batch, *one.shape[1:]), one.dtype) for one in tensors)
        for row, activation in enumerate(activations):
            for target, tensor in zip(stacked, activation.tensors, strict=True):
                target[row] = tensor[activation.row]
        return stacked

    def head(self, spec: HeadSpec) -> Head:
        """Return the head for these parameters. Raises as loading the model does."""
        kind = self._kind_of_own(spec)
        if kind is None:
            return self._graphs_for(spec.method).head(spec)
        return DerivativeHead(self._derivatives(kind), kind, find_method(spec.method))

    def _compile_forward(self, batch: int) -> Callable[[Pixels], NDArray[np.float32]]:
        if _LOGITS not in self._network.kinds:
            return self._graphs_for("scores without maps").forward(batch)
        body, head = self._body(batch), self._derivatives(_LOGITS)
        scorer = DerivativeHead(head, _LOGITS, find_method("eigencam"))
        return lambda pixels: scorer.scores(tuple(body(pixels)))

    def _kind_of_own(self, spec: HeadSpec) -> Derivatives | None:
        """Return what the bundle computes for this head; None if it lacks it."""
        method = find_method(spec.method)
        is_own = self._is_own(spec.layers) and not spec.rescored
        if not is_own or not method.single_pass or spec.method not in METHODS:
            return None
        kind = Derivatives.of(method, spec.score)
        return kind if kind in self._network.kinds else None

    def _is_own(self, layers: Layers) -> bool:
        return layers in {(), self._facts.layers}

    def _graphs_for(self, reason: str) -> Graphs:
        if self._others is None:
            self._others = self._load_others(reason)
        return self._others
