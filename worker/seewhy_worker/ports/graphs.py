"""The bodies and heads of a model, compiled when they are needed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seewhy_worker.ports.cuts import Activation, CutTensors
from seewhy_worker.ports.heads import Head, HeadSpec, Pixels
from seewhy_worker.ports.model_facts import ModelFacts
from seewhy_worker.ports.scoring import Scoring

Layers = tuple[str, ...]
"""The layers that the model is split at; empty for its target layer."""


class Graphs(Protocol):
    """What an explainer runs. Not thread-safe.

    All methods raise `UnsupportedModel` for layers that do not exist and methods that do not suit
    the network, and `OutOfMemory`.
    """

    @property
    def engine(self) -> str:
        """What computes the activations, with its version and precision."""
        ...

    def set_inputs(self, values: Mapping[str, Sequence[float]]) -> None:
        """Use these values of all inputs beside the image from now on."""
        ...

    def set_scoring(self, scoring: Scoring) -> None:
        """Score as `scoring` says from now on, in rescored heads.

        Raises `InvalidRequest` when nothing can be compared with the reference.
        """
        ...

    def model_at(self, layers: Layers) -> ModelFacts:
        """Return the model split at these layers."""
        ...

    def cut_name(self, layers: Layers) -> str:
        """Return the name of the cut at the first of these layers."""
        ...

    def body(
        self, splits: Iterable[Layers], batch: int
    ) -> Callable[[Pixels], dict[str, CutTensors]]:
        """Return the pass from pixels (batch, H, W, 3) to the cut of each split, by its name."""
        ...

    def body_engine(self, splits: Iterable[Layers], batch: int) -> str:
        """Return what computes `body` of the same arguments, with its version and precision."""
        ...

    def stack(self, activations: Sequence[Activation], batch: int) -> CutTensors:
        """Return the rows as one cut of `batch` images, filled up with zeros."""
        ...

    def head(self, spec: HeadSpec) -> Head:
        """Return the head for these parameters."""
        ...

    def head_engines(self, spec: HeadSpec) -> tuple[str, ...]:
        """Return what computes the passes of a head through the body, with versions; often none."""
        ...

    def forward(self, batch: int) -> Callable[[Pixels], NDArray[np.float32]]:
        """Return the pass from pixels (batch, H, W, 3) to logits (batch, classes)."""
        ...
