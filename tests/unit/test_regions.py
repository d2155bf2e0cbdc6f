"""Regions lie where the map has its evidence, in pixels of the image."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.imaging.geometry import covered_rectangle
from seewhy.imaging.pointing import energy_in_box
from seewhy.imaging.regions.segmentation import RegionPolarity, Segmentation
from seewhy.imaging.rendering.colormaps import color_table
from seewhy.imaging.rendering.overlay import heatmap
from seewhy.schemas.geometry import Box, Rectangle, ResizeRule
from seewhy.schemas.regions import MAX_HOLES, MAX_REGIONS, MAX_VERTICES, Threshold

WIDTH_PX, HEIGHT_PX = 60, 48
CELLS = st.integers(1, 16)
MAPS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-4, 4, width=32),
)
RULES: st.SearchStrategy[ResizeRule] = st.sampled_from(["stretch", "crop"])


def segmented(
    signed: np.ndarray,
    *,
    covers: Rectangle | None = None,
    width_px: int = WIDTH_PX,
    height_px: int = HEIGHT_PX,
    threshold: Threshold = 0.15,
    polarity: RegionPolarity = "positive",
) -> Segmentation:
    return Segmentation(
        signed,
        rectangle=covers or covered_rectangle(width_px, height_px, rule="stretch", fraction=1),
        width_px=width_px,
        height_px=height_px,
        threshold=threshold,
        polarity=polarity,
    )


def hot_cell(height: int, width: int, row: int, column: int) -> np.ndarray:
    signed = np.full((height, width), -1, np.float32)
    signed[row, column] = 4
    return signed


def half_extent(cells: int, length_px: float, *, at: float) -> float:
    """Return how far the evidence of one cell reaches 0.5, in pixels from its center.

    Along this axis it falls by 1 in the length of a cell. Along the other one it is `at`, the most
    that any row or column of pixels has.
    """
    return (1 - 0.5 / at) * length_px / cells


def nearest_share(index: int, cells: int, length_px: float) -> float:
    """Return the evidence at the pixel center that is nearest to the center of a cell."""
    if index in {0, cells - 1}:  # evidence does not fall towards the edge of the image
        return 1
    center = (index + 0.5) * length_px / cells
    return 1 - abs(np.floor(center) + 0.5 - center) * cells / length_px


def assert_spans(
    start: float, length: float, index: int, cells: int, *, covers: tuple[float, float], at: float
) -> None:
    """Check one axis of a box around a hot cell. `covers` is the start and length of the map."""
    origin, length_px = covers
    center = origin + (index + 0.5) * length_px / cells
    reach = half_extent(cells, length_px, at=at)
    # Before the first center and beyond the last one, evidence does not fall.
    first = origin if index == 0 else center - reach
    last = origin + length_px if index == cells - 1 else center + reach
    assert abs(start - first) <= 0.501
    assert abs(start + length - last) <= 0.501


@given(
    width_px=st.integers(64, 900),
    height_px=st.integers(64, 900),
    rule=RULES,
    fraction=st.floats(0.5, 1),
    shape=st.tuples(CELLS, CELLS),
    data=st.data(),
)
def test_a_planted_hot_cell_lands_on_its_pixels(
    width_px: int, height_px: int, rule: ResizeRule, fraction: float,
    shape: tuple[int, int], data: st.DataObject,
) -> None:  # fmt: skip
    """At half of the maximum, the box is the cell: half a pixel more or less, as pixels fall."""
    (height, width), draw = shape, data.draw
    row, column = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    covers = covered_rectangle(width_px, height_px, rule=rule, fraction=fraction)
    signed = hot_cell(height, width, row, column)
    (region,) = segmented(
        signed, covers=covers, width_px=width_px, height_px=height_px, threshold=0.5
    ).regions(5)
    box, across, down = region.box, (covers.x, covers.width), (covers.y, covers.height)
    in_row, in_column = (
        nearest_share(row, height, covers.height), nearest_share(column, width, covers.width)
    )  # fmt: skip
    assert_spans(box.x, box.width, column, width, covers=across, at=in_row)
    assert_spans(box.y, box.height, row, height, covers=down, at=in_column)
    assert region.peak.x == pytest.approx(covers.x + (column + 0.5) * covers.width / width)
    assert region.peak.y == pytest.approx(covers.y + (row + 0.5) * covers.height / height)
    assert region.score == 1
    assert region.share <= 1


@given(signed=MAPS, threshold=st.floats(0.02, 0.98), fraction=st.floats(0.5, 1))
def test_the_mask_is_the_part_of_the_heatmap_beyond_the_threshold(
    signed: np.ndarray, threshold: float, fraction: float
) -> None:
    covers = covered_rectangle(WIDTH_PX, HEIGHT_PX, rule="crop", fraction=fraction)
    found = segmented(signed, covers=covers, threshold=threshold)
    assume(found.maximum > 0)
    drawn = heatmap(
        signed, rectangle=covers, width_px=WIDTH_PX, height_px=HEIGHT_PX, scale=found.maximum
    )
    distances = np.abs(drawn[..., np.newaxis, :3].astype(int) - color_table("inferno")).sum(-1)
    shares = np.where(drawn[..., 3] > 0, distances.argmin(-1), 0) / 255
    mask = found.mask(MAX_REGIONS)
    assert (shares[mask == 255] > threshold - 0.01).all()
    assert (shares[mask == 0] < threshold + 0.01).all() or found.found > MAX_REGIONS


def test_overlapping_boxes_are_drawn_without_their_neighbors() -> None:
    """The box of the L contains the point, which is another component."""
    signed = np.zeros((8, 8), np.float32)
    signed[0:7, 0] = signed[6, 0:7] = 1
    signed[1, 4] = 1
    found = segmented(signed, width_px=80, height_px=80, threshold=0.5)
    large, small = found.regions(2)
    assert large.area_px > small.area_px
    both, alone = found.mask(2), found.mask(1)
    assert int(np.count_nonzero(alone)) == large.area_px
    assert int(np.count_nonzero(both)) == large.area_px + small.area_px
    assert alone[15, 45] == 0
    assert both[15, 45] == 255


def test_components_are_ranked_by_their_area_and_counted() -> None:
    signed = np.zeros((6, 12), np.float32)
    signed[0:4, 0:4], signed[0:2, 8:10], signed[5, 11] = 1, 2, 3
    found = segmented(signed, width_px=120, height_px=60, threshold=0.2)
    assert found.found == 3
    regions = found.regions(2)
    assert [(region.peak.x, region.peak.y) for region in regions] == [(5, 5), (85, 5)]
    assert [region.score for region in regions] == pytest.approx([1 / 3, 2 / 3])
    assert [region.area_px for region in found.regions(MAX_REGIONS)] == sorted(
        (region.area_px for region in found.regions(MAX_REGIONS)), reverse=True
    )


@given(signed=MAPS)
def test_the_shares_of_all_regions_add_up_to_the_evidence_in_them(signed: np.ndarray) -> None:
    found = segmented(signed, threshold="p1")
    assume(0 < found.found <= MAX_REGIONS)
    mask = found.mask(MAX_REGIONS) > 0
    strength = np.maximum(signed, 0) / found.maximum
    enlarged = cv2.resize(strength, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
    share = sum(region.share for region in found.regions(MAX_REGIONS))
    assert share == pytest.approx(enlarged[mask].sum() / enlarged.sum(), rel=1e-4)


def test_the_share_of_a_box_agrees_with_the_energy_in_the_box() -> None:
    signed = np.zeros((6, 6), np.float32)
    signed[1, 1], signed[4, 4] = 3, 1
    first, second = segmented(signed, width_px=300, height_px=300, threshold=0.02).regions(2)
    covers = Rectangle(x=0, y=0, width=300, height=300)
    energies = [
        energy_in_box(signed, covers=covers, box=Box(**dict(region.box)))
        for region in (first, second)
    ]
    assert [first.share, second.share] == pytest.approx(energies, abs=0.01)
    assert [first.share, second.share] == pytest.approx([0.75, 0.25], abs=0.01)


@given(signed=MAPS)
def test_negative_polarity_finds_the_evidence_against(signed: np.ndarray) -> None:
    against = segmented(signed, polarity="negative").regions(MAX_REGIONS)
    assert against == segmented(-signed).regions(MAX_REGIONS)


@pytest.mark.parametrize(
    "signed",
    [
        np.zeros((3, 3), np.float32),
        np.full((3, 3), -1, np.float32),
        np.full((3, 3), np.nan, np.float32),
        np.full((3, 3), np.inf, np.float32),
        np.full((3, 3), 1e-45, np.float32),
    ],
)
@pytest.mark.parametrize("threshold", [0.15, "p50", "otsu"])
def test_there_are_no_regions_without_evidence(signed: np.ndarray, threshold: Threshold) -> None:
    found = segmented(signed, threshold=threshold)
    assert (found.maximum, found.threshold, found.found, found.outlined_regions(1)) == (0, 0, 0, ())
    assert not found.mask(1).any()


def test_a_value_that_is_not_finite_is_no_evidence() -> None:
    signed = np.array([[np.nan, 0], [np.inf, 2]], np.float32)
    (region,) = segmented(signed, threshold=0.6).regions(5)
    assert (region.peak.x, region.peak.y) == (45, 36)


@pytest.mark.parametrize("maximum", [2.0**-120, 2.0**127])
def test_regions_do_not_depend_on_the_unit_of_the_map(maximum: float) -> None:
    cells = np.array([[0, 0.25, 0.5], [0.75, 1, 0.125]], np.float32)
    scaled = segmented(cells * np.float32(maximum))
    assert scaled.outlined_regions(5) == segmented(cells).outlined_regions(5)
    assert scaled.threshold == 0.15 * maximum


@pytest.mark.parametrize(
    ("rule", "threshold"), [(0.25, 25), ("p50", 50), ("p99", 99), ("p12.5", 12.5)]
)
def test_a_rule_gives_a_threshold_in_the_unit_of_the_map(rule: Threshold, threshold: float) -> None:
    cells = np.arange(101, dtype=np.float32).reshape(1, 101)
    found = segmented(cells, width_px=101, height_px=1, threshold=rule)
    assert found.threshold == pytest.approx(threshold)
    assert found.regions(1)[0].area_px == 101 - np.ceil(threshold)


def test_a_percentile_of_0_selects_only_evidence() -> None:
    signed = np.array([[0, 0, 0, 5]], np.float32)
    found = segmented(signed, width_px=4, height_px=1, threshold="p50")
    assert found.threshold == 0
    assert [region.area_px for region in found.regions(5)] == [1]


@given(cells=arrays.arrays(np.uint8, (5, 5)))
def test_otsus_threshold_has_the_largest_variance_between_the_classes(cells: np.ndarray) -> None:
    assume(cells.max() > cells.min())
    values = cells.astype(np.float32)
    steps = np.rint(values / values.max() * 255)

    def variance(threshold: float) -> float:
        above = steps > threshold
        share = above.mean()
        if share in {0, 1}:
            return 0.0
        return float(share * (1 - share) * (steps[above].mean() - steps[~above].mean()) ** 2)

    threshold = segmented(values, threshold="otsu").threshold / values.max() * 255
    best = max(variance(step) for step in range(256))
    assert variance(threshold) == pytest.approx(best, rel=1e-6)


def filled(contours: list[Any]) -> np.ndarray:
    """Return the pixels whose center is in any of the polygons, or on its edge."""
    centers = [(x + 0.5, y + 0.5) for y in range(HEIGHT_PX) for x in range(WIDTH_PX)]
    polygons = [np.array(contour, np.float32) for contour in contours]
    inside = [
        any(cv2.pointPolygonTest(polygon, center, measureDist=False) >= 0 for polygon in polygons)
        for center in centers
    ]
    return np.array(inside).reshape(HEIGHT_PX, WIDTH_PX)


def test_the_contour_of_a_rectangle_is_its_four_corners() -> None:
    signed = np.zeros((3, 4), np.float32)
    signed[0:2, 1:3] = 1
    (region,) = segmented(signed, width_px=4, height_px=3).outlined_regions(5)
    assert region.box == Rectangle(x=1, y=0, width=2, height=2)
    assert set(region.contour) == {(1, 0), (3, 0), (3, 2), (1, 2)}
    assert region.area_px == cv2.contourArea(np.array(region.contour, np.float32)) == 4


@settings(max_examples=30)  # the oracle asks about each pixel
@given(signed=MAPS, threshold=st.floats(0.1, 0.9))
def test_a_contour_encloses_its_region_and_its_box_is_the_box(
    signed: np.ndarray, threshold: float
) -> None:
    found = segmented(signed, threshold=threshold)
    mask = found.mask(MAX_REGIONS) > 0
    regions = found.outlined_regions(MAX_REGIONS)
    assume(regions)
    for region in regions:
        left, top, width, height = cv2.boundingRect(np.array(region.contour, np.int32))
        assert abs(left - region.box.x) <= 1
        assert abs(top - region.box.y) <= 1
        assert abs(left + width - 1 - region.box.x - region.box.width) <= 1
        assert abs(top + height - 1 - region.box.y - region.box.height) <= 1
    inside = filled([region.contour for region in regions])
    surely = cv2.erode(mask.view(np.uint8), np.ones((3, 3)), borderValue=0) > 0
    assert not (surely & ~inside).any()
    holes = filled([hole for region in regions for hole in region.holes])
    nearly = cv2.dilate(mask.view(np.uint8), np.ones((5, 5))) > 0
    assert not (inside & ~nearly & ~holes).any()


def test_a_ring_has_a_hole() -> None:
    signed = np.ones((7, 7), np.float32)
    signed[2:5, 2:5] = 0
    (region,) = segmented(signed, width_px=70, height_px=70, threshold=0.5).outlined_regions(5)
    assert set(region.contour) == {(0, 0), (70, 0), (70, 70), (0, 70)}
    (hole,) = region.holes
    hole_px = cv2.contourArea(np.array(hole, np.float32))
    assert hole_px == pytest.approx(70 * 70 - region.area_px, rel=0.02)
    assert region.area_px == pytest.approx(4900 - 900, abs=60)


def test_the_outlines_of_noise_are_bounded() -> None:
    """A map of the pixels has thousands of components, holes and corners."""
    noise = np.random.default_rng(7).random((224, 224), np.float32)
    many = segmented(noise, width_px=900, height_px=900, threshold=0.7)
    assert many.found > 1_000
    assert len(many.outlined_regions(MAX_REGIONS)) == MAX_REGIONS
    (sponge,) = segmented(noise, width_px=900, height_px=900, threshold=0.3).outlined_regions(1)
    assert len(sponge.holes) == MAX_HOLES
    assert max(map(len, (sponge.contour, *sponge.holes))) <= MAX_VERTICES


def test_a_map_finer_than_the_image_has_its_peaks_at_pixels() -> None:
    noise = np.random.default_rng(7).random((64, 64), np.float32)
    found = segmented(noise, width_px=9, height_px=9, threshold=0.8)
    assert found.regions(MAX_REGIONS)
    for region in found.regions(MAX_REGIONS):
        box = region.box
        assert box.x <= region.peak.x <= box.x + box.width
        assert box.y <= region.peak.y <= box.y + box.height
        assert 0.8 <= region.score <= 1
