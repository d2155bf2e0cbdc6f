"""Annotated pixels: boxes, polygons and masks, drawn by the centers of pixels."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annotation_strategies import masks
from seewhy.annotations import pixels
from seewhy.annotations.annotation import Annotation, ImageSize, MaskArray, size_of
from seewhy.annotations.label_studio.results import decode_result
from seewhy.annotations.pixels import annotated_pixels
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point

SIZE = ImageSize(8, 6)


def box(x: float, y: float, width: float, height: float) -> Annotation:
    return Annotation(label="cat", box=Rectangle(x=x, y=y, width=width, height=height))


def polygon(*rings: list[tuple[float, float]]) -> Annotation:
    drawn = tuple(tuple(Point(x=x, y=y) for x, y in ring) for ring in rings)
    return Annotation(label="cat", rings=drawn)


def marked(*annotations: Annotation, size: ImageSize = SIZE) -> MaskArray:
    mask = annotated_pixels(annotations, size)
    assert mask is not None
    return mask


def test_a_box_marks_the_pixels_whose_centers_it_holds() -> None:
    expected = np.zeros((6, 8), np.bool_)
    expected[1:3, 2:5] = True
    assert np.array_equal(marked(box(1.6, 0.6, 3, 2)), expected)
    assert marked(box(-5, -5, 100, 100)).all()
    assert not marked(box(20, 2, 3, 3)).any()


def test_a_polygon_has_holes() -> None:
    square = [(0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (0.0, 6.0)]
    hole = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)]
    drawn = marked(polygon(square, hole))
    assert drawn.sum() == 36 - 4
    assert not drawn[2:4, 2:4].any()


def test_several_shapes_are_united_and_points_mark_nothing() -> None:
    mask = np.zeros((6, 8), np.bool_)
    mask[0, 0] = True
    point = Annotation(label="cat", point=Point(x=3, y=3))
    assert annotated_pixels([point], SIZE) is None
    assert marked(box(2, 2, 2, 1), Annotation(label="cat", mask=mask), point).sum() == 3


def test_a_rotated_rectangle_of_label_studio_turns_about_its_corner() -> None:
    result = {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 100,
        "original_height": 100,
        "value": {"x": 50, "y": 50, "width": 20, "height": 10, "rotation": 90},
    }
    result["value"] |= {"rectanglelabels": ["cat"]}  # type: ignore[operator]
    drawn = marked(*decode_result(result), size=ImageSize(100, 100))
    expected = np.zeros((100, 100), np.bool_)
    expected[50:70, 40:50] = True
    assert np.array_equal(drawn, expected)


@given(masks(empty=False, max_side=12))
def test_the_outlines_of_the_pixels_of_a_mask_mark_the_mask(mask: MaskArray) -> None:
    rows, columns = np.nonzero(mask)
    squares: list[list[tuple[float, float]]] = [
        [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
        for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
    ]
    drawn = annotated_pixels([polygon(*squares)], size_of(mask))
    assert drawn is not None
    assert np.array_equal(drawn, mask)


def is_on_an_edge(ring: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a point lies on an edge of a polygon, within rounding."""
    for (ax, ay), (bx, by) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if min(ay, by) <= y <= max(ay, by) and ay != by:
            slope = (bx - ax) / (by - ay)
            rounding = 1e-15 * (abs(ax) + abs(bx) + abs(slope) * (abs(ay) + abs(by) + y))
            if abs(ax + (y - ay) * slope - x) <= rounding:
                return True
    return False


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), min_size=3, max_size=9))
@example([(0.0, 0.0), (0.0, -3e-14), (512.0, 512.0)])
def test_the_direction_of_a_polygon_matters_only_on_its_edges(
    ring: list[tuple[float, float]],
) -> None:
    there, back = marked(polygon(ring)), marked(polygon(ring[::-1]))
    assert there.shape == (6, 8)
    assert all(is_on_an_edge(ring, x + 0.5, y + 0.5) for y, x in np.argwhere(there != back))


def test_expensive_polygons_and_masks_of_other_sizes_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Annotation(label="cat", mask=np.ones((3, 3), np.bool_))
    with pytest.raises(InvalidAnnotation, match="size of the image"):
        annotated_pixels([other], SIZE)
    monkeypatch.setattr(pixels, "MAX_CROSSINGS", 11)
    with pytest.raises(InvalidAnnotation, match="too many points"):
        annotated_pixels([box(0, 0, 8, 6)], SIZE)


def test_coordinates_whose_sum_overflows_are_refused() -> None:
    box = Rectangle(x=1.5e308, y=0, width=1.5e308, height=5)
    with pytest.raises(InvalidAnnotation, match="a coordinate is beyond 1e\\+09 pixels"):
        annotated_pixels([Annotation(label="a", box=box)], ImageSize(8, 8))


def test_shapes_that_take_too_many_pixels_together_are_refused_before_more_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mask = Annotation(label="cat", mask=np.ones((6, 8), np.bool_))
    decoded: list[int] = []

    def masks_one_by_one(count: int) -> Iterator[Annotation]:
        for number in range(count):
            decoded.append(number)
            yield mask

    monkeypatch.setattr(pixels, "MAX_DRAWN_PIXELS", 2 * 6 * 8)
    small = [box(1, 1, 2, 2)] * 24  # each takes its own four pixels
    assert annotated_pixels(small, SIZE) is not None
    assert annotated_pixels(masks_one_by_one(2), SIZE) is not None
    decoded.clear()
    with pytest.raises(InvalidAnnotation, match="more than 96 pixels together"):
        annotated_pixels(masks_one_by_one(200), SIZE)
    assert len(decoded) == 3
