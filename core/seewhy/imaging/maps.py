"""Signed maps: the numbers behind every heatmap.

A map is kept at its native resolution and before the final ReLU of its formula, float32,
`(map_height, map_width)`; those of one picture together are `(targets, map_height, map_width)`.
"""

from io import BytesIO
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.result import Verdict

Map = NDArray[np.float32]
Polarity = Literal["positive", "negative", "signed"]

# Below this part of its largest value, what varies within a float32 map is rounding.
_ROUNDING = 1e-6


def encode_npy(maps: Map) -> bytes:
    """Write `(targets, map_height, map_width)` float32 as an .npy file, format 1.0."""
    if maps.ndim != 3 or maps.dtype != np.float32:
        raise ValueError(f"maps are three-dimensional float32, not {maps.shape} {maps.dtype}")
    file = BytesIO()
    little_endian = np.ascontiguousarray(maps, dtype="<f4")
    np.lib.format.write_array(file, little_endian, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def decode_npy(body: bytes) -> Map:
    """Read what `encode_npy` wrote, `(targets, map_height, map_width)`; read-only.

    Raises `ValueError` on anything else, before memory is taken for what a header claims.
    """
    try:
        file = BytesIO(body)
        version = np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, TypeError, SyntaxError, TokenError) as error:
        raise ValueError("not an .npy file") from error
    if version != (1, 0) or len(shape) != 3 or fortran_order or dtype != np.dtype("<f4"):
        raise ValueError("not an .npy file of three-dimensional float32")
    return np.frombuffer(body, dtype="<f4", offset=file.tell()).reshape(shape)


def map_verdict(signed: Map, *, gradient_peak: float) -> Verdict:
    """Say what is wrong with a map, the gravest first; `ok` when nothing is.

    `gradient_peak` is the largest absolute gradient of the target at the target layer.
    """
    if not (np.isfinite(signed).all() and np.isfinite(gradient_peak)):
        return Verdict.NOT_FINITE
    if gradient_peak == 0:
        return Verdict.ZERO_GRADIENT
    lowest, highest = float(signed.min()), float(signed.max())
    if highest - lowest <= _ROUNDING * max(-lowest, highest):
        return Verdict.CONSTANT
    if highest <= 0:
        return Verdict.ALL_NEGATIVE
    return Verdict.OK


def evidence(signed: NDArray[Any], *, polarity: Polarity) -> Map:
    """Return what speaks for a class, against it (as positive numbers), or both with its sign.

    What is not finite is no evidence: it counts as 0.
    """
    finite = np.where(np.isfinite(signed), signed, 0).astype(np.float32)
    if polarity == "positive":
        return np.maximum(finite, 0)
    if polarity == "negative":
        return np.maximum(-finite, 0)
    return finite
