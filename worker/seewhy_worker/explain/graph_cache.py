"""A cache of compiled bodies and heads: compiled on first use, bounded by memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.bodies import Body, compile_forward
from seewhy_worker.keras_backend.heads import Head, compile_head
from seewhy_worker.models.splitting.split_model import SplitModel

MAX_BODIES = 24
"""Six batch sizes at four layers."""
MAX_HEADS = 96
"""A head of VGG16 takes about 2 MB; one method at all batch sizes needs six heads."""


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
        self._models = {(): model, model.layers: model}
        self._by_first_layer: dict[str, SplitModel] = {}
        self._split_at = split_at
        self._black = black
        self.head = lru_cache(maxsize=MAX_HEADS)(self._compile_head)
        self.forward = lru_cache(lambda batch: compile_forward(model, batch=batch))
        self._body = lru_cache(maxsize=MAX_BODIES)(self._compile_body)

    def model_at(self, layers: tuple[str, ...]) -> SplitModel:
        """Return the model split at these layers. Raises `UnsupportedModel`."""
        if layers not in self._models:
            if self._split_at is None:
                raise ValueError(
                    f"this explainer splits at {self._models[()].layer} only: create it with "
                    "`split_at` to explain other layers"
                )
            self._models[layers] = self._split_at(layers)
        return self._models[layers]

    def body(self, layers: tuple[str, ...], batch: int) -> Body:
        """Return the body that ends at the first of these layers. Raises `UnsupportedModel`."""
        model = self.model_at(layers)
        self._by_first_layer.setdefault(model.layers[0], model)
        return self._body(model.layers[0], batch)

    def _compile_body(self, first_layer: str, batch: int) -> Body:
        return Body(self._by_first_layer[first_layer], batch=batch)

    def _compile_head(self, spec: HeadSpec) -> Head:
        return compile_head(
            self.model_at(spec.layers),
            find_method(spec.method),
            score=spec.score,
            activation=self.body(spec.layers, spec.batch).activation,
            targets=spec.targets,
            rivals=spec.rivals,
            chunk_size=spec.chunk_size,
            black=self._black,
        )
