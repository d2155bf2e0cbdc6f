"""A cache of compiled bodies and heads: compiled on first use, bounded by memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.bodies import Body, compile_forward, for_batch
from seewhy_worker.keras_backend.heads import Head, compile_head
from seewhy_worker.models.splitting.split_model import SplitModel

MAX_BODIES = 48
"""Six batch sizes at four layers, and at four combinations of layers."""
MAX_HEADS = 96
"""A head of VGG16 takes about 2 MB; one method at all batch sizes needs six heads."""
MAX_SPLITS = 64
"""The splits at combinations of layers that requests have named."""


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The parameters that a head is compiled for."""

    method: str
    score: ScoreKind
    layers: tuple[str, ...]
    """Empty for the model's target layer."""
    batch: int
    targets: int
    """Targets per image."""
    rivals: int
    """Rivals per target."""
    chunk_size: int
    """Images that a multi-pass method sends through the network together."""


class GraphCache:
    """Keeps the most recently used bodies and heads, and the model's splits."""

    def __init__(
        self,
        *,
        model: SplitModel,
        split_at: Callable[[tuple[str, ...]], SplitModel] | None,
        black: NDArray[np.float32],
    ) -> None:
        """Compile graphs of `model`, and of the splits that `split_at` makes at other layers.

        `black` is a black image after preprocessing, (H, W, 3).
        """
        self._model = model
        self._split_at = split_at
        self._split = lru_cache(maxsize=MAX_SPLITS)(self._split_again)
        self._by_first_layer: dict[str, SplitModel] = {}
        self._activations: dict[str, Any] = {}
        """The shape and type of the activation at each layer that a body goes to."""
        self._black = black
        self.head = lru_cache(maxsize=MAX_HEADS)(self._compile_head)
        self.forward = lru_cache(lambda batch: compile_forward(model, batch=batch))
        self._body = lru_cache(maxsize=MAX_BODIES)(self._compile_body)

    def model_at(self, layers: tuple[str, ...]) -> SplitModel:
        """Return the model split at these layers. Raises `UnsupportedModel`."""
        return self._model if layers in {(), self._model.layers} else self._split(layers)

    def first_layer(self, layers: tuple[str, ...]) -> str:
        """Return the path of the first of these layers. Raises `UnsupportedModel`."""
        model = self.model_at(layers)
        self._by_first_layer.setdefault(model.layers[0], model)
        return model.layers[0]

    def body(self, splits: Iterable[tuple[str, ...]], batch: int) -> Body:
        """Return the body to the first layer of each of these splits. Raises `UnsupportedModel`."""
        return self._body(tuple(sorted({self.first_layer(layers) for layers in splits})), batch)

    def _split_again(self, layers: tuple[str, ...]) -> SplitModel:
        if self._split_at is None:
            raise ValueError(
                f"this explainer splits at {self._model.layer} only: create it with "
                "`split_at` to explain other layers"
            )
        return self._split_at(layers)

    def _compile_body(self, layers: tuple[str, ...], batch: int) -> Body:
        if len(layers) == 1:
            body = Body(self._by_first_layer[layers[0]], batch=batch)
        else:
            body = Body(self.model_at(layers), batch=batch, all_layers=True)
        self._activations |= body.activations
        return body

    def _compile_head(self, spec: HeadSpec) -> Head:
        layer = self.first_layer(spec.layers)
        if layer not in self._activations:
            self.body([spec.layers], spec.batch)
        return compile_head(
            self.model_at(spec.layers),
            find_method(spec.method),
            score=spec.score,
            activation=for_batch(self._activations[layer], spec.batch),
            targets=spec.targets,
            rivals=spec.rivals,
            chunk_size=spec.chunk_size,
            black=self._black,
        )
