"""How similar embeddings are to those of reference images."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def directions_of(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide embeddings (R, length) by their norms, which must not be 0."""
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.float32)


def cosine_similarities(embeddings: Any, directions: Any) -> Any:
    """Compare embeddings (N, length) with the directions of others (R, length): (N, R).

    s_r = ⟨f, f_r⟩ / (‖f‖ · ‖f_r‖), between -1 and 1. An embedding of zeros has the similarity 0.
    """
    return keras.ops.matmul(keras.ops.normalize(embeddings), keras.ops.transpose(directions))
