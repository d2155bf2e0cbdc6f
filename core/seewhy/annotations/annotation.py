"""The annotation that every format is encoded from and decoded to."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point

MAX_SIDE_PX = 65_536
MAX_PIXELS = 100_000_000
"""Larger masks are refused before anything is allocated for them."""
MAX_POINTS = 100_000
"""Of all rings of a polygon."""

MaskArray = NDArray[np.bool_]
"""The pixels of an annotation, `(height, width)` of the upright image."""

Ring = tuple[Point, ...]
"""A closed polygon; its last point is not its first."""


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The size of an upright image. Raises `InvalidAnnotation` when it exceeds the limits."""

    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        sides = (self.width_px, self.height_px)
        if not all(type(side) is int and 0 < side <= MAX_SIDE_PX for side in sides):
            raise InvalidAnnotation(f"the sides of an image must be integers, 1 to {MAX_SIDE_PX}")
        if self.pixels > MAX_PIXELS:
            raise InvalidAnnotation(f"an image of {self.pixels} pixels exceeds {MAX_PIXELS}")

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width_px * self.height_px


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CroppedMask:
    """The part of a mask that has pixels, so that many regions of an image fit into memory."""

    pixels: MaskArray
    """`(height, width)` of the part."""
    left: int
    top: int
    size: ImageSize
    """Of the image."""

    def paste(self) -> MaskArray:
        """Return the mask of the whole image, `(height, width)`."""
        height, width = self.pixels.shape
        mask = np.zeros((self.size.height_px, self.size.width_px), np.bool_)
        mask[self.top : self.top + height, self.left : self.left + width] = self.pixels
        return mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotation:
    """What is in an image, and where: any of a box, a polygon, a mask and a point, or none.

    Coordinates are pixels of the upright image, from its top left, on the edges of pixels: the
    image is the box from 0, 0 to its width and height.
    """

    label: str
    """The class."""
    score: float | None = None
    """The confidence, 0 to 1."""
    box: Rectangle | None = None
    rings: tuple[Ring, ...] = ()
    """The outer ring, then those of holes."""
    mask: MaskArray | CroppedMask | None = None
    """`seewhy.annotations.shapes.mask_of` returns the pixels of either."""
    point: Point | None = None


def size_of(mask: MaskArray) -> ImageSize:
    """Return the size of the image of a mask `(height, width)`."""
    height_px, width_px = mask.shape
    return ImageSize(width_px, height_px)


def bounds_of(mask: MaskArray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels of a mask; right and bottom are exclusive.

    Raises `InvalidAnnotation` for a mask without pixels.
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not columns.size:
        raise InvalidAnnotation("a mask needs at least one pixel")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def ring_box(rings: tuple[Ring, ...]) -> Rectangle:
    """Return the box around the rings of a polygon."""
    xs = [point.x for ring in rings for point in ring]
    ys = [point.y for ring in rings for point in ring]
    left, top = min(xs), min(ys)
    return Rectangle(x=left, y=top, width=max(xs) - left, height=max(ys) - top)


def finite(value: object, name: str) -> float:
    """Return a number from a document. Raises `InvalidAnnotation` for anything else, and NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidAnnotation(f"{name} must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidAnnotation(f"{name} must be finite")
    return number


def number(text: str | None, name: str) -> float:
    """Return the number that a text is. Raises `InvalidAnnotation` for anything else, and NaN."""
    try:
        return finite(float(text or ""), name)
    except ValueError as error:
        raise InvalidAnnotation(f"{name} must be a number") from error
