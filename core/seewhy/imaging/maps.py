"""Store signed maps, assess their health, and read evidence from them.

A map has the native resolution of its layer and no final ReLU: float32 `(map_height, map_width)`.
The maps of one image are stored together as `(targets, map_height, map_width)`.
"""

from io import BytesIO
from tokenize import TokenError
from typing import Literal

import cv2
import numpy as np

from seewhy.imaging.arrays import AnyMapArray, MapArray
from seewhy.schemas.result import Verdict

Polarity = Literal["positive", "negative", "signed"]

SMALLEST_MAXIMUM = float(np.finfo(np.float32).tiny)
"""Evidence below it counts as none: its reciprocal is not a float32."""

# Variation below this share of the largest value of a float32 map is rounding.
_ROUNDING = 1e-6


def encode_npy(maps: MapArray) -> bytes:
    """Encode `(targets, map_height, map_width)` float32 as an .npy file of format 1.0.

    Raises `ValueError` when the shape or the number type is different.
    """
    if maps.ndim != 3 or maps.dtype != np.float32:
        raise ValueError(f"maps must be three-dimensional float32, not {maps.shape} {maps.dtype}")
    file = BytesIO()
    little_endian = np.ascontiguousarray(maps, dtype="<f4")
    np.lib.format.write_array(file, little_endian, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def decode_npy(body: bytes) -> MapArray:
    """Decode the output of `encode_npy` to a read-only array `(targets, map_height, map_width)`.

    Raises `ValueError` for any other file, before it allocates the memory that a header claims.
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


def map_verdict(signed: MapArray, *, gradient_peak: float) -> Verdict:
    """Return the most severe problem of a map, or `ok`.

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


def evidence(signed: AnyMapArray, *, polarity: Polarity) -> MapArray:
    """Return the evidence for a class, against it (as positive numbers), or both with its sign.

    Values that are not finite count as 0.
    """
    finite = np.where(np.isfinite(signed), signed, 0).astype(np.float32)
    if polarity == "positive":
        return np.maximum(finite, 0)
    if polarity == "negative":
        return np.maximum(-finite, 0)
    return finite


def enlarge(values: MapArray, *, width_px: int, height_px: int) -> MapArray:
    """Interpolate a map bilinearly to `(height_px, width_px)`.

    Cells are squares that cover the image; the value of a cell is that of its center. Everything
    that shows or measures a map on pixels enlarges it here, so that boxes agree with drawings.
    """
    resized = cv2.resize(values, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.float32, copy=False)
