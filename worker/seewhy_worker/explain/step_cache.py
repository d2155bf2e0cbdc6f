"""A cache of compiled steps: compiled on first use, bounded by memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.steps import Step, compile_step
from seewhy_worker.models.splitting.split_model import SplitModel

MAX_STEPS = 96
"""A step of VGG16 takes about 2 MB; one method at all batch sizes needs six steps."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """The parameters that a step is compiled for."""

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


class StepCache:
    """Keeps the most recently used steps, and the model's splits."""

    def __init__(
        self,
        *,
        model: SplitModel,
        split_at: Callable[[tuple[str, ...]], SplitModel] | None,
        black: NDArray[np.float32],
    ) -> None:
        """Compile steps of `model`, and of the splits that `split_at` makes at other layers.

        `black` is a black image after preprocessing, (H, W, 3).
        """
        self._models = {(): model, model.layers: model}
        self._split_at = split_at
        self._black = black
        self.step = lru_cache(maxsize=MAX_STEPS)(self._compile)

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

    def _compile(self, spec: StepSpec) -> Step:
        return compile_step(
            self.model_at(spec.layers),
            find_method(spec.method),
            score=spec.score,
            batch=spec.batch,
            targets=spec.targets,
            rivals=spec.rivals,
            chunk_size=spec.chunk_size,
            black=self._black,
        )
