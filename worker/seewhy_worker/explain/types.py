"""What the explainer takes and gives, and the port through which the worker uses it.

Nothing here needs a tensor library, so a stub of three methods can stand in for a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import ClassScore, TargetResult
from seewhy.schemas.targets import TargetOrIndex


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture as the network takes it."""

    pixels: NDArray[np.float32]
    """(H, W, 3), preprocessed."""
    covers: Rectangle
    """The part of the original picture that `pixels` shows."""


@dataclass(frozen=True, slots=True)
class ImageExplanation:
    """The explanation of one picture."""

    maps: NDArray[np.float32]
    """(K, h, w), one signed map per target, in the order they were asked for."""
    targets: tuple[TargetResult, ...]
    """K scores and verdicts, same order."""
    top: tuple[ClassScore, ...]
    """The most probable classes, best first; five, or all of a smaller model."""
    covers: Rectangle
    tried: tuple[str, ...]
    """The methods run, in order; more than one when a fallback was needed."""
    method: str
    """The one that made the maps."""
    layer: str
    """The layer they are of; several, fused, with a + between; none for maps of the pixels."""
    linear: bool
    """Whether the difference of two maps explains the difference of their scores."""


class Explainer(Protocol):
    """A resident model that explains pictures."""

    @property
    def digest(self) -> str:
        """What identifies the weights."""
        ...

    def prepare(self, picture: NDArray[np.uint8]) -> PreparedImage:
        """Bring an RGB picture (H, W, 3) to the network's input. Safe from many threads."""
        ...

    def explain(
        self,
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[TargetOrIndex, ...]],
        recipes: Sequence[MethodOptions] | None = None,
    ) -> list[ImageExplanation]:
        """Explain each picture's targets by its recipe, in order; one thread at a time.

        A target may be a class index, or -r for the r-th most probable class. Raises
        `OutOfMemory`. Without recipes, all are explained by Grad-CAM of the logit.
        """
        ...

    def warm_up(self) -> None:
        """Compile what most requests need, so that the first are as quick as the rest."""
        ...
