"""Localization metrics: hand-computed cases and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optionals import present
from seewhy.imaging.pointing import energy_in_box, mean_in_box, pointing_hit
from seewhy.schemas.geometry import Box, Rectangle

MAP = np.array([[4, -9, 0], [1, 2, 3]], np.float32)
COVERS = Rectangle(x=10, y=20, width=30, height=40)
"""Each cell is 10 pixels wide and 20 high."""

lengths = st.floats(0.5, 500)
coordinates = st.floats(-100, 500)
rectangles = st.builds(Rectangle, x=coordinates, y=coordinates, width=lengths, height=lengths)
boxes = st.builds(Box, x=coordinates, y=coordinates, width=lengths, height=lengths)
maps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-1000, 1000, width=32),
).filter(lambda signed: signed.max() > 1e-3)


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x=x, y=y, width=width, height=height)


@pytest.mark.parametrize(
    ("annotated", "hit", "energy"),
    [
        (box(10, 20, 10, 20), True, 0.4),
        (box(20, 20, 10, 20), False, 0.0),
        (box(10, 40, 30, 20), False, 0.6),
        (box(25, 50, 10, 10), False, (2 / 4 + 3 / 4) / 10),
        (box(14, 29, 2, 2), True, 4 * (2 * 2 / 200) / 10),
        (box(0, 0, 15, 200), False, (2 + 0.5) / 10),
        (box(0, 0, 15.1, 200), True, (4 + 1) * 0.51 / 10),
    ],
)
def test_metrics_match_values_computed_by_hand(annotated: Box, hit: bool, energy: float) -> None:
    assert pointing_hit(MAP, covers=COVERS, box=annotated) is hit
    assert energy_in_box(MAP, covers=COVERS, box=annotated) == pytest.approx(energy, abs=1e-12)


@pytest.mark.parametrize(
    ("signed", "annotated"),
    [
        (-np.abs(MAP), box(10, 20, 30, 40)),
        (np.zeros((2, 3), np.float32), box(10, 20, 30, 40)),
        (np.where(MAP > 3, np.nan, MAP), box(10, 20, 30, 40)),
        (np.where(MAP > 3, np.inf, MAP), box(10, 20, 30, 40)),
        (MAP, box(40, 20, 10, 10)),
        (MAP, box(0, 0, 100, 20)),
    ],
    ids=["all negative", "empty", "nan", "infinite", "beside", "above"],
)
def test_metrics_are_none_without_evidence_or_outside_the_map(
    signed: np.ndarray, annotated: Box
) -> None:
    assert pointing_hit(signed, covers=COVERS, box=annotated) is None
    assert energy_in_box(signed, covers=COVERS, box=annotated) is None


def test_the_first_of_equal_cells_is_the_peak() -> None:
    signed = np.array([[1, 7, 1], [7, 7, 1]], np.float32)
    assert pointing_hit(signed, covers=COVERS, box=box(20, 20, 10, 20)) is True
    assert pointing_hit(signed, covers=COVERS, box=box(10, 40, 20, 20)) is False


@given(maps, rectangles)
def test_the_whole_rectangle_holds_all_evidence_and_the_peak(
    signed: np.ndarray, covers: Rectangle
) -> None:
    whole = Box(**covers.model_dump())
    assert energy_in_box(signed, covers=covers, box=whole) == pytest.approx(1)
    assert pointing_hit(signed, covers=covers, box=whole) is True


@given(maps, rectangles, st.floats(0.01, 0.99), st.booleans())
def test_two_halves_share_the_evidence_and_one_has_the_peak(
    signed: np.ndarray, covers: Rectangle, cut: float, vertical: bool
) -> None:
    left, top, width, height = covers.x, covers.y, covers.width, covers.height
    if vertical:
        x = left + cut * width
        first, other = box(left, top, x - left, height), box(x, top, left + width - x, height)
    else:
        y = top + cut * height
        first, other = box(left, top, width, y - top), box(left, y, width, top + height - y)

    energies = [present(energy_in_box(signed, covers=covers, box=part)) for part in (first, other)]
    assert sum(energies) == pytest.approx(1)
    assert {pointing_hit(signed, covers=covers, box=part) for part in (first, other)} == {
        True,
        False,
    }


@given(maps, rectangles, boxes, st.floats(1e-3, 1e3))
def test_metrics_do_not_depend_on_the_scale_of_the_map(
    signed: np.ndarray, covers: Rectangle, annotated: Box, factor: float
) -> None:
    energy = energy_in_box(signed, covers=covers, box=annotated)
    scaled = energy_in_box(signed.astype(np.float64) * factor, covers=covers, box=annotated)
    if energy is None:
        assert scaled is None
        return
    assert -1e-9 <= energy <= 1 + 1e-9
    assert scaled == pytest.approx(energy)


def test_very_large_and_very_small_maps_are_measured() -> None:
    for peak in (1e38, 1e-38):
        signed = (MAP / 9 * peak).astype(np.float32)
        energy = energy_in_box(signed, covers=COVERS, box=box(10, 20, 10, 20))
        assert energy == pytest.approx(0.4, rel=1e-5)


@pytest.mark.parametrize(
    ("place", "mean"),
    [
        (box(10, 20, 10, 20), 4),
        (box(0, 0, 15, 200), (4 + 1) / 2),
        (box(15, 20, 10, 20), (4 - 9) / 2),
        (box(29, 59, 2, 2), (2 + 3) / 2),
        (box(40, 20, 10, 10), None),
    ],
)
def test_the_mean_in_a_box_counts_cells_by_their_covered_part(
    place: Box, mean: float | None
) -> None:
    assert mean_in_box(MAP, covers=COVERS, box=place) == mean
    assert mean_in_box(np.full_like(MAP, np.inf), covers=COVERS, box=place) is None
