"""A cache of compiled bodies and heads: compiled on first use, bounded by memory."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.bodies import (
    Body,
    CutSpec,
    compile_forward,
    for_batch,
    stack_activations,
)
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.cuts import Activation, CutTensors
from seewhy_worker.ports.heads import Head, HeadSpec

MAX_BODIES = 48
"""Six batch sizes at four layers, and at four combinations of layers."""
MAX_HEADS = 96
"""A head of VGG16 takes about 2 MB; one method at all batch sizes needs six heads."""
MAX_SPLITS = 64
"""The splits at combinations of layers that requests have named."""


class GraphCache:
    """Implements `seewhy_worker.ports.graphs.Graphs` with TensorFlow.

    It keeps the most recently used bodies and heads, and the model's splits.
    """

    def __init__(
        self,
        *,
        model: SplitModel,
        black: NDArray[np.float32],
    ) -> None:
        """Compile graphs of `model`, and of its network split at other layers.

        `black` is a black image after preprocessing, (H, W, 3).
        """
        self._model = model
        self._split = lru_cache(maxsize=MAX_SPLITS)(model.at)
        self._by_cut: dict[str, SplitModel] = {}
        self._cuts: dict[str, CutSpec] = {}
        """The shapes and types of each cut that a body goes to, by its name."""
        self._black = black
        self.head = lru_cache(maxsize=MAX_HEADS)(self._compile_head)
        self.forward = lru_cache(lambda batch: compile_forward(model, batch=batch))
        self._body = lru_cache(maxsize=MAX_BODIES)(self._compile_body)

    def model_at(self, layers: tuple[str, ...]) -> SplitModel:
        """Return the model split at these layers. Raises `UnsupportedModel`."""
        return self._model if layers in {(), self._model.layers} else self._split(layers)

    def cut_name(self, layers: tuple[str, ...]) -> str:
        """Return the name of the cut at the first of these layers. Raises `UnsupportedModel`."""
        model = self.model_at(layers)
        self._by_cut.setdefault(model.cut_name, model)
        return model.cut_name

    def body(self, splits: Iterable[tuple[str, ...]], batch: int) -> Body:
        """Return the body to the cut of each of these splits. Raises `UnsupportedModel`."""
        return self._body(tuple(sorted({self.cut_name(layers) for layers in splits})), batch)

    def stack(self, activations: Sequence[Activation], batch: int) -> CutTensors:
        """Return the rows as one cut of `batch` images, filled up with zeros."""
        return stack_activations(activations, batch)

    def _compile_body(self, names: tuple[str, ...], batch: int) -> Body:
        body = Body(*(self._by_cut[name] for name in names), batch=batch)
        self._cuts |= body.cuts
        return body

    def _compile_head(self, spec: HeadSpec) -> Head:
        name = self.cut_name(spec.layers)
        if name not in self._cuts:
            self.body([spec.layers], spec.batch)
        return compile_head(
            self.model_at(spec.layers),
            find_method(spec.method),
            score=spec.score,
            cut=for_batch(self._cuts[name], spec.batch),
            targets=spec.targets,
            rivals=spec.rivals,
            chunk_size=spec.chunk_size,
            black=self._black,
        )
