"""What the scores of one request depend on beside the network."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """How the network's output becomes scores, where a request chooses it."""

    selection: NDArray[np.bool_] | None = None
    """(h, w), the pixels of the output of a model of segments that count; None for all."""

    reference: NDArray[np.float32] | None = None
    """(H, W, channels), the network's input for the image that a model of embeddings compares
    with; None for the references of the catalog."""

    @property
    def is_default(self) -> bool:
        """Whether the request chooses nothing."""
        return self.selection is None and self.reference is None

    @property
    def key(self) -> bytes:
        """Equal for requests to one model whose scores are computed alike."""
        arrays = (self.selection, self.reference)
        chosen = b"".join(array.tobytes() for array in arrays if array is not None)
        return chosen and hashlib.sha256(chosen).digest()


DEFAULT_SCORING = Scoring()
