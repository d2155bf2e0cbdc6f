"""What the scores of one request depend on beside the network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """How the network's output becomes scores, where a request chooses it."""

    selection: NDArray[np.bool_] | None = None
    """(h, w), the pixels of the output of a model of segments that count; None for all."""

    @property
    def is_default(self) -> bool:
        """Whether the request chooses nothing."""
        return self.selection is None

    @property
    def key(self) -> bytes:
        """Equal for requests whose scores are computed alike."""
        return b"" if self.selection is None else self.selection.tobytes()


DEFAULT_SCORING = Scoring()
