"""The run-length encoding of COCO, as `pycocotools.mask` reads and writes it.

The pixels are read column by column, and the counts are the lengths of runs, the first of zeros;
it is 0 when the first pixel is in the mask. The compressed form writes each count, from the fourth
on as the difference to the second before it, in groups of five bits from the lowest, as characters
from `0`; bit six says that another group follows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seewhy.annotations.annotation import ImageSize, MaskArray
from seewhy.annotations.runs import check_runs, decode_runs, encode_runs
from seewhy.errors import InvalidAnnotation

_FIRST_CHARACTER = 48
_MAX_CHARACTERS = 16_000_000
_MAX_GROUPS = 7


def encode_rle(mask: MaskArray, *, compressed: bool = True) -> dict[str, Any]:
    """Encode a mask `(height, width)`: `size` is height and width, `counts` a string or a list."""
    height_px, width_px = mask.shape
    counts = encode_runs(np.asarray(mask, np.bool_).ravel(order="F"))
    return {
        "size": [height_px, width_px],
        "counts": _compress(counts) if compressed else counts,
    }


def decode_rle(rle: Mapping[str, Any], size: ImageSize) -> MaskArray:
    """Decode a mask of this size, `(height, width)`, from either form.

    Raises `InvalidAnnotation` when it is malformed.
    """
    flat = decode_runs(decode_counts(rle, size), size.pixels)
    return flat.reshape((size.height_px, size.width_px), order="F")


def decode_counts(rle: Mapping[str, Any], size: ImageSize) -> list[int]:
    """Return the lengths of the runs of a mask of this size, column by column, from either form.

    Raises `InvalidAnnotation` when it is malformed.
    """
    if rle.get("size") != [size.height_px, size.width_px]:
        raise InvalidAnnotation(
            f"size of the RLE must be [{size.height_px}, {size.width_px}], the height and the width"
        )
    counts = rle.get("counts")
    if isinstance(counts, str):
        counts = _decompress(counts)
    if not isinstance(counts, list):
        raise InvalidAnnotation("counts of the RLE must be a string or a list of integers")
    return check_runs(counts, size.pixels)


def _compress(counts: Sequence[int]) -> str:
    characters = []
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            group = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if group & 0x10 else 0)
            characters.append(chr(_FIRST_CHARACTER + (group | 0x20 if more else group)))
    return "".join(characters)


def _decompress(text: str) -> list[int]:
    if len(text) > _MAX_CHARACTERS:
        raise InvalidAnnotation(f"the RLE is longer than {_MAX_CHARACTERS} characters")
    counts: list[int] = []
    value = groups = 0
    for character in text:
        group = ord(character) - _FIRST_CHARACTER
        if not 0 <= group < 64 or groups == _MAX_GROUPS:
            raise InvalidAnnotation("the RLE is not in the compressed form of COCO")
        value |= (group & 0x1F) << (5 * groups)
        groups += 1
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << (5 * groups)
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = groups = 0
    if groups:
        raise InvalidAnnotation("the RLE is truncated")
    return counts
