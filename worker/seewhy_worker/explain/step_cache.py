"""The stock of compiled steps: made when first asked for, and as many as memory can bear."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.steps import Step, compile_step
from seewhy_worker.models.splitting.split_model import SplitModel

LARGEST = 96
"""A step of VGG16 takes about 2 MB; one method at all batch sizes is six steps."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """What a step is compiled for."""

    method: str
    score: ScoreKind
    layers: tuple[str, ...]
    batch: int
    targets: int
    rivals: int
    rows: int


class StepCache:
    """Keeps the steps asked for most recently, and the network's splits."""

    def __init__(
        self,
        *,
        parts: SplitModel,
        elsewhere: Callable[[tuple[str, ...]], SplitModel] | None,
        black: NDArray[np.float32],
    ) -> None:
        """Split at the target layer; `elsewhere` splits at other layers."""
        self._splits = {(): parts, parts.layers: parts}
        self._elsewhere = elsewhere
        self._black = black
        self.step = lru_cache(maxsize=LARGEST)(self._compile)

    def parts(self, layers: tuple[str, ...]) -> SplitModel:
        """Return the network split at these layers; raise `UnsupportedModel`."""
        if layers not in self._splits:
            if self._elsewhere is None:
                raise ValueError(f"this explainer splits at {self._splits[()].layer} only")
            self._splits[layers] = self._elsewhere(layers)
        return self._splits[layers]

    def _compile(self, order: StepSpec) -> Step:
        return compile_step(
            self.parts(order.layers),
            find_method(order.method),
            score=order.score,
            batch=order.batch,
            targets=order.targets,
            rivals=order.rivals,
            chunk_size=order.rows,
            black=self._black,
        )
