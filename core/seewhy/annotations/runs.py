"""Alternating runs of zeros and ones, zeros first: what the encodings of masks share."""

from collections.abc import Sequence

import numpy as np

from seewhy.annotations.annotation import MaskArray
from seewhy.errors import InvalidAnnotation


def encode_runs(flat: MaskArray) -> list[int]:
    """Return the lengths of the runs of `(pixels,)`; the first is 0 if the first pixel is set."""
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(edges, prepend=0, append=flat.size).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def decode_runs(lengths: Sequence[object], pixels: int) -> MaskArray:
    """Return the pixels `(pixels,)`.

    Raises `InvalidAnnotation` as `check_runs` does; nothing is allocated then.
    """
    runs = check_runs(lengths, pixels)
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def check_runs(lengths: Sequence[object], pixels: int) -> list[int]:
    """Return the lengths.

    Raises `InvalidAnnotation` unless they are integers of at least 0 with the sum `pixels`.
    """
    runs = [whole(length, "a run of a mask") for length in lengths]
    if sum(runs) != pixels:
        raise InvalidAnnotation(f"the runs of the mask have {sum(runs)} pixels, not {pixels}")
    return runs


def whole(value: object, name: str) -> int:
    """Return an integer of at least 0. Raises `InvalidAnnotation` for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidAnnotation(f"{name} must be an integer of at least 0")
    return value
