"""Agreement of maps with annotated pixels: hand-computed cases and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from seewhy.imaging.pointing import energy_in_box, pointing_hit
from seewhy.imaging.regions.agreement import measure_agreement
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.geometry import Box, Rectangle

Mask = NDArray[np.bool_]

MAP = np.array([[4, -9, 0], [1, 2, 3]], np.float32)
WHOLE = Rectangle(x=0, y=0, width=30, height=40)
"""Each cell is 10 pixels wide and 20 high."""

maps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-1000, 1000, width=32),
).filter(lambda signed: signed.max() > 1e-3)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Rectangle, Mask]:
    """Return the part of an image that a network sees, and a mask of the image."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    covers = Rectangle(
        x=left,
        y=top,
        width=draw(st.integers(1, width - left)),
        height=draw(st.integers(1, height - top)),
    )
    return covers, draw(arrays.arrays(np.bool_, (height, width)))


def rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    """Return a mask of x, y, width and height."""
    mask = np.zeros((height, width), np.bool_)
    x, y, box_width, box_height = box
    mask[y : y + box_height, x : x + box_width] = True
    return mask


def agreement(
    signed: NDArray[np.float32] = MAP, *, covers: Rectangle = WHOLE, mask: Mask
) -> Agreement:
    return measure_agreement(signed, covers=covers, mask=mask, threshold=0.15)


@pytest.mark.parametrize(
    ("box", "hit", "energy", "coverage"),
    [
        ((0, 0, 10, 20), True, 0.4, 1 / 6),
        ((10, 0, 10, 20), False, 0.0, 1 / 6),
        ((0, 20, 30, 20), False, 0.6, 0.5),
        ((15, 30, 10, 10), False, (2 / 4 + 3 / 4) / 10, 100 / 1200),
        ((4, 9, 2, 2), True, 4 * (2 * 2 / 200) / 10, 4 / 1200),
    ],
)
def test_measures_match_values_computed_by_hand(
    box: tuple[int, int, int, int], hit: bool, energy: float, coverage: float
) -> None:
    measured = agreement(mask=rectangle(40, 30, box))
    assert measured.pointing_hit is hit
    assert measured.energy_inside == pytest.approx(energy, abs=1e-12)
    assert measured.coverage == pytest.approx(coverage)


def test_the_iou_is_that_of_the_evidence_above_the_threshold() -> None:
    signed = np.array([[1, 0], [0, 0]], np.float32)
    # Interpolated, half of the maximum is reached up to the edge of the cell along its middle.
    region_px = int((enlarged(signed, 40) >= 0.5).sum())
    mask = rectangle(40, 40, (0, 0, 40, 10))
    inside_px = int((enlarged(signed, 40)[:10] >= 0.5).sum())
    covers = Rectangle(x=0, y=0, width=40, height=40)
    measured = measure_agreement(signed, covers=covers, mask=mask, threshold=0.5)
    assert measured.iou == pytest.approx(inside_px / (400 + region_px - inside_px))


def enlarged(signed: NDArray[np.float32], side_px: int) -> NDArray[np.float64]:
    """Interpolate bilinearly, cell centers to cell centers, by hand."""
    at = (np.arange(side_px) + 0.5) / side_px * len(signed) - 0.5
    weights = np.stack([np.interp(at, range(len(signed)), row) for row in np.eye(len(signed))])
    return np.asarray(weights.T @ signed @ weights)


@pytest.mark.parametrize(
    "signed",
    [-np.abs(MAP), np.zeros((2, 3), np.float32), np.where(MAP > 3, np.nan, MAP)],
    ids=["all negative", "empty", "nan"],
)
def test_a_map_without_evidence_has_no_agreement(signed: NDArray[np.float32]) -> None:
    mask = rectangle(40, 30, (0, 0, 15, 40))
    assert agreement(signed, mask=mask) == Agreement(coverage=0.5)


def test_what_the_network_does_not_see_has_no_agreement() -> None:
    covers = Rectangle(x=10, y=0, width=20, height=40)
    assert agreement(covers=covers, mask=rectangle(40, 30, (0, 0, 10, 40))) == Agreement(coverage=0)


@given(maps, scenes())
def test_the_whole_image_holds_all_evidence(
    signed: NDArray[np.float32], scene: tuple[Rectangle, Mask]
) -> None:
    covers, mask = scene
    measured = agreement(signed, covers=covers, mask=np.ones_like(mask))
    assert measured.pointing_hit is True
    assert measured.energy_inside == pytest.approx(1)
    assert measured.coverage == pytest.approx(1)


@given(maps, scenes())
def test_a_mask_and_the_rest_of_the_image_share_the_evidence(
    signed: NDArray[np.float32], scene: tuple[Rectangle, Mask]
) -> None:
    covers, mask = scene
    inside, outside = (agreement(signed, covers=covers, mask=part) for part in (mask, ~mask))
    energies = [each.energy_inside or 0.0 for each in (inside, outside)]
    assert sum(energies) == pytest.approx(1)
    assert inside.coverage + outside.coverage == pytest.approx(1)
    assert [inside.pointing_hit, outside.pointing_hit].count(True) == 1


@given(maps, scenes(), st.sampled_from([2.0**-20, 0.5, 3.0, 1e6]))
def test_agreement_does_not_depend_on_the_scale_of_the_map(
    signed: NDArray[np.float32], scene: tuple[Rectangle, Mask], factor: float
) -> None:
    covers, mask = scene
    plain = agreement(signed, covers=covers, mask=mask)
    scaled = agreement(signed.astype(np.float64) * factor, covers=covers, mask=mask)  # type: ignore[arg-type]
    assert scaled.pointing_hit == plain.pointing_hit
    assert scaled.energy_inside == pytest.approx(plain.energy_inside)
    for measured in (plain, scaled):
        assert measured.iou is None or 0 <= measured.iou <= 1


@given(scenes(), st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_coverage_is_the_energy_of_a_uniform_map(
    scene: tuple[Rectangle, Mask], cells: tuple[int, int]
) -> None:
    covers, mask = scene
    measured = agreement(np.ones(cells, np.float32), covers=covers, mask=mask)
    if measured.energy_inside is not None:
        assert measured.energy_inside == pytest.approx(measured.coverage)


@given(maps, scenes(), st.data())
def test_a_rectangular_mask_agrees_as_its_box_does(
    signed: NDArray[np.float32], scene: tuple[Rectangle, Mask], data: st.DataObject
) -> None:
    covers, mask = scene
    height, width = mask.shape
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    sides = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    box = Box(x=float(x), y=float(y), width=float(sides[0]), height=float(sides[1]))
    measured = agreement(signed, covers=covers, mask=rectangle(height, width, (x, y, *sides)))
    energy = energy_in_box(signed, covers=covers, box=box)
    if energy is None:
        assert measured.energy_inside is None
    else:
        assert measured.energy_inside == pytest.approx(energy, abs=1e-9)
        assert measured.pointing_hit is pointing_hit(signed, covers=covers, box=box)


@given(maps, scenes())
def test_mirroring_and_turning_the_image_with_its_map_change_nothing(
    signed: NDArray[np.float32], scene: tuple[Rectangle, Mask]
) -> None:
    covers, mask = scene
    mirrored = covers.model_copy(update={"x": mask.shape[1] - covers.x - covers.width})
    turned = Rectangle(x=covers.y, y=covers.x, width=covers.height, height=covers.width)
    plain = agreement(signed, covers=covers, mask=mask)
    for other in (
        agreement(signed[:, ::-1], covers=mirrored, mask=mask[:, ::-1]),
        agreement(signed.T, covers=turned, mask=mask.T),
    ):
        assert other.energy_inside == pytest.approx(plain.energy_inside)
        assert other.coverage == pytest.approx(plain.coverage)
