"""The viewer in a browser computes the numbers that Python computes."""

import math
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from seewhy.imaging.geometry import fitted_size, pixel_slices, scaled_rectangle
from seewhy.imaging.maps import encode_npy, evidence
from seewhy.imaging.regions.threshold import evidence_threshold
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.colormaps import color_table
from seewhy.imaging.rendering.overlay import heatmap
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import ClassScore, TargetResult, Verdict
from seewhy.viewer.constants import VIEWER_COLORMAPS
from servers.browser import Watch, opened_page
from viewer_cases import Case
from viewer_modules import decoded, encoded, open_viewer

CASES = 220
SMALLEST_FLOAT32 = float(np.finfo(np.float32).smallest_subnormal)

COMPUTE = """(cases) => cases.map((data) => {
  const place = viewer.geometry(data, Infinity);
  const size = { height: data.mapHeight, width: data.mapWidth };
  const { x, y, width, height } = place.covered;
  const sizePx = { heightPx: height, widthPx: width };
  const map = floats(data.map);
  const pixels = viewer.enlarge(viewer.evidence(map, data.polarity), size, sizePx);
  const { shares, maximum } = viewer.sharesOf(map, data.polarity);
  const enlarged = viewer.enlarge(shares, size, sizePx);
  const share = maximum ? viewer.thresholdShare(shares, data.rule) : 0;
  const found = viewer.findRegions(enlarged, sizePx, share, 10);
  const signed = viewer.sharesOf(map, "signed");
  return {
    covered: [x, y, width, height],
    pixels: btoa(String.fromCharCode(...new Uint8Array(pixels.buffer.slice(0, 40000)))),
    maximum,
    threshold: share * maximum,
    signed: signed.maximum && viewer.thresholdShare(signed.shares, data.rule) * signed.maximum,
    found: found.found,
    regions: found.regions.map((region) => ({ ...region, box: place.toImage(region.box) })),
    segments: viewer.isolines(enlarged, sizePx, share).length,
    negativeShare: viewer.negativeShare(map),
  };
})"""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [Case(number) for number in range(CASES)]


@pytest.fixture(scope="module")
def computed(browser: Browser, cases: list[Case]) -> list[dict[str, Any]]:
    """What the browser computes for each case."""
    watch = Watch()
    with opened_page(browser, watch) as page:
        open_viewer(page)
        answers = page.evaluate(COMPUTE, [case.data() for case in cases])
    watch.check()
    return list(answers)


@pytest.fixture
def viewer(page: Page) -> Page:
    """A page with the viewer."""
    open_viewer(page)
    return page


def test_a_map_covers_the_same_pixels(cases: list[Case], computed: list[dict[str, Any]]) -> None:
    for case, answer in zip(cases, computed, strict=True):
        rows, columns = pixel_slices(
            case.covers, width_px=case.image_width_px, height_px=case.image_height_px
        )
        x, y, width, height = answer["covered"]
        assert (slice(y, y + height), slice(x, x + width)) == (rows, columns)


def test_interpolated_values_differ_by_at_most_a_millionth_of_the_maximum(
    cases: list[Case], computed: list[dict[str, Any]]
) -> None:
    for case, answer in zip(cases, computed, strict=True):
        expected = case.enlarged().ravel()[:10_000]
        difference = np.abs(decoded(answer["pixels"]).astype(float) - expected).max()
        assert difference <= 1e-6 * expected.max(initial=0) + SMALLEST_FLOAT32


def test_thresholds_are_equal(cases: list[Case], computed: list[dict[str, Any]]) -> None:
    for case, answer in zip(cases, computed, strict=True):
        expected = evidence_threshold(case.map, case.rule, polarity=case.polarity)
        assert answer["threshold"] == expected
        assert answer["signed"] == evidence_threshold(case.map, case.rule, polarity="signed")


def test_regions_have_the_same_numbers(cases: list[Case], computed: list[dict[str, Any]]) -> None:
    described = 0
    for case, answer in zip(cases, computed, strict=True):
        segmentation = case.segmentation()
        assert answer["maximum"] == segmentation.maximum
        assert answer["found"] == segmentation.found
        expected = segmentation.regions(10)
        assert len(answer["regions"]) == len(expected)
        for region, same in zip(answer["regions"], expected, strict=True):
            assert region["box"] == same.box.model_dump()
            assert region["areaPx"] == same.area_px
            described += 1
        assert bool(answer["segments"]) == bool(expected)
    assert described > CASES


def test_the_negative_share_is_that_of_the_finite_values(
    cases: list[Case], computed: list[dict[str, Any]]
) -> None:
    for case, answer in zip(cases, computed, strict=True):
        finite = case.map[np.isfinite(case.map)].astype(float)
        total = np.abs(finite).sum()
        negative = -finite[finite < 0].sum() / total if total else 0
        assert answer["negativeShare"] == pytest.approx(negative, abs=1e-6)


@pytest.mark.parametrize("name", VIEWER_COLORMAPS)
def test_colors_differ_by_at_most_one_level(viewer: Page, name: str) -> None:
    table = viewer.evaluate("(name) => [...viewer.colorTable(name)]", name)
    assert np.abs(np.subtract(table, color_table(name).ravel(), dtype=int)).max() <= 1


COLORIZE = """([map, sizes, options]) => {
  const [height, width, heightPx, widthPx] = sizes;
  const pixels = viewer.enlarge(floats(map), { height, width }, { heightPx, widthPx });
  const target = new ImageData(widthPx, heightPx);
  viewer.colorize(pixels, options, target);
  return [...target.data];
}"""


def test_the_middle_between_0_and_1_has_the_color_of_one_half(viewer: Page) -> None:
    ends = encoded(np.array([0, 1]))
    drawn = viewer.evaluate(COLORIZE, [ends, [1, 2, 1, 3], {"scale": 1}])
    assert np.abs(np.subtract(drawn[4:7], color_table("inferno")[128], dtype=int)).max() <= 1
    assert (
        drawn[4:7]
        != ((color_table("inferno")[0].astype(int) + color_table("inferno")[255]) // 2).tolist()
    )


@pytest.mark.parametrize(
    ("polarity", "colormap"),
    [
        ("positive", "inferno"),
        ("negative", "viridis"),
        ("signed", "blue-white-red"),
        ("negative", "blue-white-red"),
    ],
)
def test_colors_are_those_of_a_heatmap_of_the_service(
    viewer: Page, polarity: Any, colormap: str
) -> None:
    signed = np.random.default_rng(5).normal(size=(7, 9)).astype(np.float32)
    options = {"scale": 1.5, "polarity": polarity, "colormap": colormap}
    values = encoded(evidence(signed, polarity=polarity))
    drawn = viewer.evaluate(COLORIZE, [values, [7, 9, 90, 120], options])
    expected = heatmap(
        signed,
        rectangle=Rectangle(x=0, y=0, width=120, height=90),
        width_px=120,
        height_px=90,
        scale=1.5,
        polarity=polarity,
        colormap=colormap,
    )
    difference = np.abs(np.reshape(drawn, (90, 120, 4)) - expected.astype(int))
    assert (difference > 1).mean() < 0.005  # values within rounding of two steps
    assert difference.max() <= 8


def test_values_below_the_threshold_are_transparent(viewer: Page) -> None:
    values = encoded(np.array([0.1, 0.5, 1]))
    options = {"scale": 1, "threshold": 0.5}
    drawn = viewer.evaluate(COLORIZE, [values, [1, 3, 1, 3], options])
    assert drawn[3::4] == [0, 255, 255]


SCALE = """([maps, chosen, options]) => viewer.colorScale(maps.map(floats), chosen, options)"""


def target(*, against: bool = False) -> TargetResult:
    score = ClassScore(index=0, label="cat", logit=1, probability=1)
    return TargetResult(score=score, verdict=Verdict.OK, minimum=0, maximum=1, against=against)


@pytest.mark.parametrize("method", ["gradcam", "smoothgrad"])
@pytest.mark.parametrize("polarity", ["positive", "negative", "signed"])
@pytest.mark.parametrize("chosen", [0, 2])
def test_color_scales_are_equal(viewer: Page, method: str, polarity: Any, chosen: int) -> None:
    maps = np.random.default_rng(3).normal(size=(4, 13, 11)).astype(np.float32)
    maps[0, 0, 0] = math.nan
    targets = [target(), target(), target(against=True), target(against=True)]
    listed = [each.model_dump(mode="json") for each in targets]
    sent = [encoded(each) for each in maps]
    options = {"targets": listed, "method": method, "polarity": polarity}
    for normalize in ("image", 2.5):
        expected = color_scale(
            maps, chosen, targets=targets, method=method, polarity=polarity, normalize=normalize
        )
        given = options | {"normalize": normalize}
        assert viewer.evaluate(SCALE, [sent, chosen, given]) == expected
    alone = color_scale(maps[[chosen]], 0, targets=[target()], method=method, polarity=polarity)
    given = options | {"normalize": "class"}
    assert viewer.evaluate(SCALE, [sent, chosen, given]) == alone


def test_a_stored_map_is_decoded_bit_by_bit(viewer: Page) -> None:
    maps = np.random.default_rng(2).normal(size=(3, 5, 4)).astype(np.float32)
    maps[1, 2, 3], maps[2, 0, 0] = math.nan, -math.inf
    body = np.frombuffer(encode_npy(maps), np.uint8).tolist()
    read = viewer.evaluate(
        """(body) => {
          const maps = viewer.decodeNpy(new Uint8Array(body).buffer);
          return maps.map((map) => [...new Uint8Array(map.slice().buffer)]);
        }""",
        body,
    )
    assert [bytes(each) for each in read] == [each.tobytes() for each in maps]


@pytest.mark.parametrize(
    "body",
    [b"", b"\x93NUMPY", b"not a map at all", encode_npy(np.zeros((1, 2, 2), np.float32))[:-1]],
)
def test_another_file_is_refused_with_a_sentence(viewer: Page, body: bytes) -> None:
    message = viewer.evaluate(
        """(body) => {
          try { viewer.decodeNpy(new Uint8Array(body).buffer); } catch (error) {
            return error.message;
          }
        }""",
        list(body),
    )
    assert message.startswith("The ")
    assert message.endswith(".")


def test_a_contrast_is_the_difference_of_two_maps(viewer: Page) -> None:
    first, second = np.array([[1, 2, math.nan], [4, 0, -2]])
    script = "([a, b, options]) => [...viewer.contrast(floats(a), floats(b), options)].map(String)"
    sent = [encoded(first), encoded(second)]
    assert viewer.evaluate(script, [*sent, {}]) == ["-3", "2", "NaN"]
    normalized = viewer.evaluate(script, [*sent, {"normalized": True}])
    assert normalized == ["-0.5", "1", "NaN"]


def test_a_percentile_counts_the_finite_values_up_to_a_value(viewer: Page) -> None:
    values = encoded(np.array([3, 1, math.nan, 2, 4]))
    script = "([values, value]) => viewer.percentileOf(floats(values), value)"
    assert [viewer.evaluate(script, [values, n]) for n in (0, 1, 3, 4)] == [0, 25, 75, 100]


def test_a_hot_cell_of_a_cropped_image_lies_on_its_pixels(viewer: Page) -> None:
    covers = {"x": 125, "y": 25, "width": 350, "height": 350}
    data = {
        "covers": covers,
        "imageWidthPx": 600,
        "imageHeightPx": 400,
        "mapHeight": 7,
        "mapWidth": 7,
    }
    script = """(data) => {
      const place = viewer.geometry(data);
      return { cell: place.cellAt(300, 150), outside: place.cellAt(100, 150),
        box: place.boxAround([2, 3]), field: place.boxAround([0, 6], 3), covered: place.covered };
    }"""
    answer = viewer.evaluate(script, data)
    assert answer["cell"] == [2, 3]
    assert answer["outside"] is None
    assert answer["box"] == {"x": 275, "y": 125, "width": 50, "height": 50}
    assert answer["field"] == {"x": 375, "y": 25, "width": 100, "height": 100}
    width_px, height_px = fitted_size(600, 400, max_side_px=512)
    scaled = scaled_rectangle(Rectangle(**covers), x_scale=width_px / 600, y_scale=height_px / 400)
    rows, columns = pixel_slices(scaled, width_px=width_px, height_px=height_px)
    assert answer["covered"] == {
        "x": columns.start,
        "y": rows.start,
        "width": columns.stop - columns.start,
        "height": rows.stop - rows.start,
    }
