"""What is known of a split network beside its tensors."""

from dataclasses import dataclass
from typing import Literal, Protocol

ProbabilityFunction = Literal["softmax", "sigmoid", "none"]
"""From logits to probabilities; `none` for values, which have no probability."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """How far apart cells are in the input, and the side of the square that each depends on."""

    stride_px: int
    field_px: int


class ModelFacts(Protocol):
    """A network that was split at its target layers."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the target layers in execution order, for example `backbone/block5_conv3`."""
        ...

    @property
    def layer(self) -> str:
        """The target layers for display, joined by " + "."""
        ...

    @property
    def cut_name(self) -> str:
        """Names what the body computes."""
        ...

    @property
    def map_shape(self) -> tuple[int, int]:
        """(h, w) of the first target layer."""
        ...

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""
        ...

    @property
    def classes(self) -> int:
        """The number of classes, or of values."""
        ...

    @property
    def score_grid(self) -> tuple[int, int] | None:
        """(h, w) of the pixels that a model of segments scores; None for other models."""
        ...

    @property
    def probability_function(self) -> ProbabilityFunction:
        """Turns the logits into probabilities."""
        ...

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """That of a cell of the target layer; None for several layers, and when unknown."""
        ...
