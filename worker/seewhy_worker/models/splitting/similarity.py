"""How similar embeddings are to those of reference images."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def cosine_similarities(embeddings: Any, references: NDArray[np.float32]) -> Any:
    """Compare embeddings (N, length) with references (R, length): (N, R).

    s_r = ⟨f, f_r⟩ / (‖f‖ · ‖f_r‖), between -1 and 1. An embedding of zeros has the similarity 0.
    """
    directions = references / np.linalg.norm(references, axis=1, keepdims=True)
    return keras.ops.matmul(keras.ops.normalize(embeddings), directions.T)
