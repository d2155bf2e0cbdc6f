"""The run-length encoding of Label Studio's brush masks, a bit stream (thi.ng/rle-pack).

The encoded values are those of an RGBA image, row by row: four for each pixel. Label Studio draws
the alpha channel, 0 to 255. The stream has a header of 53 bits and then runs, most significant bit
first, filled with zeros to whole bytes:

- 32 bits: the number of values; 5 bits: the bits of a value, minus 1; four times 4 bits: the bits
  of each kind of length, minus 1
- a run: 1, two bits for the kind of length, the length minus 1, and the value
- a literal: 0, two bits for the kind of length, the length minus 1, and as many values
"""

from collections.abc import Iterator

import numpy as np

from seewhy.annotations.annotation import ImageSize, MaskArray
from seewhy.errors import InvalidAnnotation

_CHANNELS = 4
_VALUE_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST = 1 << _LENGTH_BITS[-1]
_MAX_BYTES = 4_000_000
"""An ellipse in an image of 1920 x 1080 pixels takes 5,500 bytes."""


def encode_brush(mask: MaskArray) -> list[int]:
    """Encode a mask `(height, width)`, with the values 255 in it and 0 elsewhere.

    The bytes are those of `label_studio_sdk.converter.brush.mask2rle` for the same values.
    """
    flat = np.asarray(mask, np.bool_).reshape(-1)
    header = f"{flat.size * _CHANNELS:032b}{_VALUE_BITS - 1:05b}"
    bits = [header, *(f"{length - 1:04b}" for length in _LENGTH_BITS)]
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges, [flat.size])) if flat.size else np.zeros(1, int)
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        value = "1" * _VALUE_BITS if flat[start] else "0" * _VALUE_BITS
        bits.extend(_runs((end - start) * _CHANNELS, value))
    stream = "".join(bits)
    stream += "0" * (8 - len(stream) % 8)  # one byte more than needed when there is nothing to fill
    digits = np.frombuffer(stream.encode("ascii"), np.uint8) - ord("0")
    encoded: list[int] = np.packbits(digits).tolist()
    return encoded


def decode_brush(rle: object, size: ImageSize) -> MaskArray:
    """Decode a brush mask to the pixels `(height, width)` that are drawn: with an alpha above 0.

    Raises `InvalidAnnotation` when it is malformed or not of this size.
    """
    bits = _Bits(_as_bytes(rle))
    count = bits.take(32)
    if count != size.pixels * _CHANNELS:
        raise InvalidAnnotation(
            f"the brush mask has {count} values, but an image of {size.width_px} x "
            f"{size.height_px} pixels has {size.pixels * _CHANNELS}"
        )
    if bits.take(5) + 1 != _VALUE_BITS:
        raise InvalidAnnotation("the values of a brush mask must have 8 bits")
    length_bits = [bits.take(4) + 1 for _ in _LENGTH_BITS]
    drawn = np.zeros(size.pixels, np.bool_)
    done = 0
    while done < count:
        is_run = bits.take(1)
        length = bits.take(length_bits[bits.take(2)]) + 1
        if length > count - done:
            raise InvalidAnnotation("the brush mask has more values than it says")
        if is_run:
            if bits.take(_VALUE_BITS):
                drawn[done // _CHANNELS : (done + length) // _CHANNELS] = True
        else:
            for position in range(done, done + length):
                value = bits.take(_VALUE_BITS)
                if value and position % _CHANNELS == _CHANNELS - 1:
                    drawn[position // _CHANNELS] = True
        done += length
    return drawn.reshape(size.height_px, size.width_px)


def _runs(length: int, value: str) -> Iterator[str]:
    """Yield the bits of runs of one value, each with the shortest kind of length that fits."""
    while length > _LONGEST:
        yield f"111{_LONGEST - 1:016b}{value}"
        length -= _LONGEST
    kind = next(kind for kind, bits in enumerate(_LENGTH_BITS) if length <= 1 << bits)
    yield f"1{kind:02b}{length - 1:0{_LENGTH_BITS[kind]}b}{value}"


def _as_bytes(rle: object) -> bytes:
    if not isinstance(rle, list):
        raise InvalidAnnotation("a brush mask must be a list of integers, 0 to 255")
    if len(rle) > _MAX_BYTES:
        raise InvalidAnnotation(f"the brush mask has {len(rle)} bytes, more than {_MAX_BYTES}")
    try:
        return bytes(rle)
    except (TypeError, ValueError) as error:
        raise InvalidAnnotation("a brush mask must be a list of integers, 0 to 255") from error


class _Bits:
    """Reads unsigned integers from a bit stream."""

    def __init__(self, data: bytes) -> None:
        digits = np.unpackbits(np.frombuffer(data, np.uint8)) + np.uint8(ord("0"))
        self._text = digits.tobytes()
        self._position = 0

    def take(self, count: int) -> int:
        end = self._position + count
        if end > len(self._text):
            raise InvalidAnnotation("the brush mask is truncated")
        taken = int(self._text[self._position : end], 2)
        self._position = end
        return taken
