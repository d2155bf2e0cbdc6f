"""`<seewhy-map>` draws the map of its view."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from map_page import EDGES, HALF, bump, events, look, pixels, show
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.imaging.rendering.colormaps import color_table
from seewhy.schemas.geometry import Rectangle
from servers.browser import Watch


def test_a_map_is_drawn_on_its_photo_in_the_colors_of_its_scale(page: Page, photos: Path) -> None:
    weak = 0.25 * bump(10, 10)
    show(page, [bump(4, 4), weak], {"chosen": 1}, photos=photos)
    drawn = pixels(page)
    assert drawn.shape == (300, 451, 4)
    assert np.all(drawn[..., 3] == 255)
    scale = page.evaluate("map.scale")
    assert scale == pytest.approx(0.95)
    row, column = (int((10 + 0.5) / 14 * side) for side in (300, 451))
    step = round(255 * float(weak.max()) / scale)
    shown = drawn[row, column, :3].astype(int)
    assert np.abs(shown - color_table("inferno")[step].astype(int)).max() <= 8
    assert page.evaluate("map.querySelector('img').naturalWidth") == 451
    look(page, {"chosen": 1, "scale": "class"})
    assert page.evaluate("map.scale") == pytest.approx(0.25 * 0.95)
    assert pixels(page)[row, column, :3].sum() > shown.sum()


def test_what_is_below_the_threshold_is_transparent_or_dimmed(page: Page) -> None:
    show(page, [bump(4, 4)], {"threshold": HALF})
    heat = pixels(page)[..., 3] > 0
    assert heat.mean() == pytest.approx(page.evaluate("map.areaShare"))
    assert 0.02 < heat.mean() < 0.1
    assert page.evaluate("map.thresholdValue") == pytest.approx(0.95 / 2)
    look(page, {"threshold": HALF, "mode": "mask"})
    assert np.array_equal(pixels(page)[..., 3] == 0, heat)
    look(page, {"threshold": HALF, "mode": "contour"})
    assert not pixels(page).any()


def test_the_outline_the_boxes_and_the_service_agree(page: Page) -> None:
    signed = bump(4, 4) + bump(10, 9)
    show(page, [signed], {"threshold": HALF, "mode": "contour", "boxes": "all"})
    segmentation = Segmentation(
        signed,
        rectangle=Rectangle(x=0, y=0, width=451, height=300),
        width_px=451,
        height_px=300,
        threshold=0.5,
    )
    boxes = [region.box for region in segmentation.regions(10)]
    assert len(boxes) == 2
    assert page.evaluate("map.boxes") == [box.model_dump() for box in boxes]
    drawn = "".join(
        f"M{box.x:g} {box.y:g}h{box.width:g}v{box.height:g}h{-box.width:g}z" for box in boxes
    )
    assert page.evaluate(EDGES, "boxes") == drawn
    line = page.evaluate(EDGES, "outline").replace("L", "M").split("M")[1:]
    points = np.array([[float(number) / 8 for number in point.split()] for point in line])
    for low, high, side in ((0, 0, 0), (1, 1, 1)):
        edges = [(box.x, box.x + box.width) if side == 0 else (box.y, box.y + box.height)
                 for box in boxes]  # fmt: skip
        assert points[:, low].min() == pytest.approx(min(first for first, _ in edges), abs=0.5)
        assert points[:, high].max() == pytest.approx(max(last for _, last in edges), abs=0.5)
    look(page, {"threshold": HALF, "mode": "contour", "boxes": "largest"})
    assert page.evaluate(EDGES, "boxes") == drawn[: drawn.index("z") + 1]


def test_cells_are_drawn_as_they_are(page: Page) -> None:
    signed = np.random.default_rng(1).random((14, 14)).astype(np.float32)
    show(page, [signed], {"cells": True, "colormap": "viridis"})
    drawn = pixels(page)
    rows = ((np.arange(300) + 0.5) * 14 / 300).astype(int)
    columns = ((np.arange(451) + 0.5) * 14 / 451).astype(int)
    steps = np.rint(255 * signed / signed.max()).astype(int)[np.ix_(rows, columns)]
    assert np.abs(drawn[..., :3] - color_table("viridis")[steps].astype(int)).max() <= 1


def test_cells_that_are_not_finite_are_hatched(page: Page) -> None:
    signed = bump(4, 4)
    signed[0, 0], signed[13, 13] = np.nan, np.inf
    show(page, [signed], {"showFlagged": True}, targets=[{"verdict": "not_finite"}])
    drawn = pixels(page)
    for corner in (drawn[:20, :30, :3], drawn[-20:, -30:, :3]):
        assert {tuple(color) for color in corner.reshape(-1, 3)} == {
            (20,) * 3, (128,) * 3, (235,) * 3,
        }  # fmt: skip
    assert np.ptp(drawn[96, 145, :3].astype(int)) > 50


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"verdict": "constant"}, "Every cell has the same value"),
        ({"verdict": "ok", "trust": {"times_better_than_chance": 0.8}}, "A random map"),
        ({"verdict": "all_negative"}, "No place speaks for this class"),
    ],
)
def test_a_flagged_map_is_gray_and_hatched_until_a_person_asks(
    page: Page, target: dict[str, Any], words: str
) -> None:
    show(page, [bump(4, 4)], targets=[target])
    assert np.ptp(pixels(page)[..., :3].astype(int), axis=-1).max() == 0
    assert page.evaluate("map.flag").startswith(words)
    assert page.evaluate("map.sentence").startswith(words)
    look(page, {"showFlagged": True})
    assert np.ptp(pixels(page)[..., :3].astype(int), axis=-1).max() > 100


def test_evidence_against_a_class_is_no_flag_of_an_all_negative_map(page: Page) -> None:
    show(page, [-bump(4, 4)], {"polarity": "negative"}, targets=[{"verdict": "all_negative"}])
    assert page.evaluate("map.flag") == ""
    assert page.evaluate("map.scale") == pytest.approx(0.95)


def test_a_contrast_shows_the_difference_of_two_classes(page: Page) -> None:
    first, second = bump(4, 4), bump(9, 9)
    show(page, [first, second], {"chosen": {"contrast": [0, 1]}, "polarity": "signed"})
    values = page.evaluate("[...map.values]")
    assert values == pytest.approx((first - second).ravel().tolist(), abs=1e-6)
    assert page.evaluate("map.scale") == pytest.approx(float(np.abs(first - second).max()))
    drawn = pixels(page).astype(int)
    for row, column, channel in ((4, 4, 0), (9, 9, 2)):
        color = drawn[int((row + 0.5) / 14 * 300), int((column + 0.5) / 14 * 451)]
        assert np.argmax(color[:3]) == channel


def test_the_sentence_names_rows_columns_place_and_shares(page: Page) -> None:
    signed = np.full((10, 10), -0.01, np.float32)
    signed[4:8, 5:10] = 1
    square = {"x": 0, "y": 0, "width": 100, "height": 100}
    show(
        page, [signed], {"threshold": HALF},
        covers=square, imageWidthPx=100, imageHeightPx=100,
    )  # fmt: skip
    sentence = page.evaluate("map.sentence").replace("\xa0", " ")
    mass, area = (page.evaluate(f"map.{name}Share") for name in ("mass", "area"))
    assert sentence == (
        f"Highest in rows 5\u20138, columns 6\u201310, center right; {mass:.0%} of the evidence in "
        f"{area:.0%} of the image; 3.8% negative."
    ).replace("%", " %")
    assert page.locator("canvas").get_attribute("aria-label") == page.evaluate("map.sentence")
    look(page, {"polarity": "positive", "chosen": 0, "threshold": {"kind": "value", "value": 2}})
    assert page.evaluate("map.sentence").startswith("No evidence for this class")


def test_a_photo_that_does_not_load_leaves_a_checkerboard(page: Page, watch: Watch) -> None:
    watch.failures_expected = True
    show(page, [bump(4, 4)])
    page.evaluate("""() => new Promise((done) => {
      map.addEventListener("photoerror", done, { once: true });
      map.data = { ...map.data, photoUrl: "/lost.jpg" };
    })""")
    assert "no-photo" in (page.locator("seewhy-map").get_attribute("class") or "")
    background = page.evaluate("getComputedStyle(map).backgroundImage")
    assert background.startswith("repeating-conic-gradient")


def test_opacity_zoom_and_hiding_color_nothing_again(page: Page) -> None:
    show(page, [bump(4, 4)])
    page.evaluate("""() => {
      const context = map.querySelector("canvas").getContext("2d");
      window.colored = 0;
      const put = context.putImageData.bind(context);
      context.putImageData = (...given) => { colored += 1; put(...given); };
    }""")
    look(page, {"opacity": 0.3})
    assert page.evaluate("getComputedStyle(map.querySelector('canvas')).opacity") == "0.3"
    look(page, {"hidden": True, "zoom": {"scale": 2, "x": 0, "y": 0}, "cell": [1, 1]})
    assert page.evaluate("getComputedStyle(map.querySelector('canvas')).opacity") == "0"
    assert page.evaluate("colored") == 0
    look(page, {"colormap": "viridis"})
    assert page.evaluate("colored") == 1


def test_a_view_is_painted_once_for_each_frame(page: Page) -> None:
    show(page, [bump(4, 4)])
    page.evaluate("""() => new Promise((done) => requestAnimationFrame(() => {
      events.length = 0;
      for (let n = 1; n < 40; n++) {
        map.view = { threshold: { kind: "fraction", value: n / 40 } };
      }
      requestAnimationFrame(done);
    }))""")
    assert 1 <= len(events(page, "paint")) <= 2
    assert page.evaluate("map.thresholdValue") == pytest.approx(0.95 * 39 / 40)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_element_is_accessible(page: Page, photos: Path, theme: str) -> None:
    show(page, [bump(4, 4)], {"threshold": HALF, "boxes": "all"}, photos=photos)
    page.evaluate(
        """(theme) => {
          document.documentElement.lang = "en";
          document.documentElement.dataset.theme = theme;
          const main = document.createElement("main");
          const heading = document.createElement("h1");
          heading.textContent = "A map";
          document.body.append(main);
          main.append(heading, map);
        }""",
        theme,
    )
    found = Axe().run(page)
    assert found.response["violations"] == []
