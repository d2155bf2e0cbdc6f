"""Build small ICC profiles (ICC.1:2001-04) from published numbers, and compute what they mean.

The expectations use NumPy alone, so they check LittleCMS and do not repeat it.
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = Sequence[Sequence[float]]

D50 = (0.9642, 1.0, 0.8249)
# The columns are the primaries, adapted to D50. ICC registry: sRGB, Display P3, Adobe RGB (1998).
SRGB: Matrix = (
    (0.43607, 0.38515, 0.14307),
    (0.22249, 0.71687, 0.06061),
    (0.01392, 0.09708, 0.71410),
)
DISPLAY_P3: Matrix = (
    (0.51512, 0.29198, 0.15710),
    (0.24120, 0.69225, 0.06657),
    (-0.00105, 0.04189, 0.78407),
)
ADOBE_RGB: Matrix = (
    (0.60974, 0.20528, 0.14919),
    (0.31111, 0.62567, 0.06322),
    (0.01947, 0.06087, 0.74457),
)
ADOBE_GAMMA = 563 / 256


def profile(space: bytes, connection: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """Build a display profile; `tags` are typed elements."""
    text = b"test\0"
    described = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": xyz(D50),
        **tags,
    }
    offset = 132 + 12 * len(described)
    table, elements = struct.pack(">I", len(described)), b""
    for name, element in described.items():
        table += name + struct.pack(">II", offset + len(elements), len(element))
        elements += element + bytes(-len(element) % 4)
    size = offset + len(elements)
    header = struct.pack(">I4x I", size, 0x02400000) + b"mntr" + space + connection
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += xyz(D50)[8:] + bytes(48)
    return header + table + elements


def xyz(value: Sequence[float]) -> bytes:
    """Encode an element of the type XYZ."""
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65_536) for part in value))


def curve(samples: Sequence[float]) -> bytes:
    """Encode a tone curve by its samples, 0 to 1; a single one is a gamma."""
    values = (
        [round(samples[0] * 256)] if len(samples) == 1 else [round(s * 65_535) for s in samples]
    )
    return b"curv" + struct.pack(f">4xI{len(values)}H", len(values), *values)


def srgb_samples() -> list[float]:
    """Return the tone curve of sRGB (IEC 61966-2-1)."""
    return [float(value) for value in _from_srgb(np.linspace(0, 1, 1024))]


def rgb_profile(primaries: Matrix, samples: Sequence[float]) -> bytes:
    """Build a profile with a matrix and one tone curve."""
    columns = {b"rXYZ": 0, b"gXYZ": 1, b"bXYZ": 2}
    tags = {name: xyz([row[column] for row in primaries]) for name, column in columns.items()}
    return profile(
        b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(samples))
    )


def gray_profile(gamma: float) -> bytes:
    """Build a profile of gray with a gamma."""
    return profile(b"GRAY", b"XYZ ", {b"kTRC": curve([gamma])})


def ink_profile() -> bytes:
    """Build a profile of CMYK in which black alone sets the lightness: L = 100 (1 - K), a = b = 0.

    Its table (lut8) has two nodes for each ink.
    """
    table = b"".join(bytes([0 if node & 1 else 255, 128, 128]) for node in range(16))
    identity = struct.pack(">9i", *(65_536 * (i % 4 == 0) for i in range(9)))
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"A2B0": lut})


def to_srgb(
    colors: NDArray[np.uint8], primaries: Matrix, gamma: float | None
) -> NDArray[np.float64]:
    """Convert colors (…, 3) of a matrix profile to sRGB, 0 to 255; `gamma` None: sRGB's curve."""
    encoded = colors / 255
    linear = _from_srgb(encoded) if gamma is None else encoded**gamma
    converted = linear @ np.asarray(primaries).T @ np.linalg.inv(np.asarray(SRGB)).T
    return _to_srgb(converted) * 255


def gray_to_srgb(gray: NDArray[np.uint8], gamma: float) -> NDArray[np.float64]:
    """Convert gray with a gamma to sRGB, 0 to 255."""
    return _to_srgb((gray / 255) ** gamma) * 255


def lightness_to_srgb(lightness: float) -> float:
    """Convert a lightness of CIELAB, above 8, to the gray of sRGB, 0 to 255."""
    return float(_to_srgb(np.array(((lightness + 16) / 116) ** 3)) * 255)


def _from_srgb(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _to_srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
