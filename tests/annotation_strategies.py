"""Hypothesis strategies of masks and annotations."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point

LABELS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=9)
SCORES = st.none() | st.floats(0, 1)


def masks(*, empty: bool = True, max_side: int = 40) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Return masks of noise, and of long runs."""
    sides = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=max_side)
    noise = arrays.arrays(np.bool_, sides)
    drawn = noise | st.builds(_block, sides, st.integers(0, 7), st.integers(0, 7))
    return drawn if empty else drawn.filter(lambda mask: bool(mask.any()))


def _block(shape: tuple[int, ...], top: int, left: int) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    mask[top:-1, left:-1] = True
    return mask


@st.composite
def outlined(draw: Any, *, integral: bool = False) -> tuple[Annotation, ImageSize]:
    """Return an annotation with a box, a polygon and a point, and the size of its image."""
    width, height = draw(st.integers(2, 5000)), draw(st.integers(2, 5000))

    def between(low: float, high: float) -> float:
        if integral:
            return float(draw(st.integers(int(low), int(high))))
        return float(draw(st.floats(low, high)))

    left, top = between(0, width - 1), between(0, height - 1)
    box = Rectangle(x=left, y=top, width=between(1, width - left), height=between(1, height - top))
    corners = draw(st.integers(3, 12))
    ring = tuple(Point(x=between(0, width), y=between(0, height)) for _ in range(corners))
    annotation = Annotation(
        label=draw(LABELS), score=draw(SCORES), box=box, rings=(ring,), point=ring[0]
    )
    return annotation, ImageSize(width, height)


def numbers_of(annotation: Annotation) -> list[float]:
    """Return the coordinates of an annotation without a mask."""
    box, point = annotation.box, annotation.point
    numbers = [box.x, box.y, box.width, box.height] if box else []
    numbers += [point.x, point.y] if point else []
    return numbers + [n for ring in annotation.rings for p in ring for n in (p.x, p.y)]
