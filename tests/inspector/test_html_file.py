"""An explanation in one HTML file works without network and service, and as the page does."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from html_explanations import (
    COVERS,
    HEIGHT_PX,
    MAPS,
    TARGETS,
    WIDTH_PX,
    explanation,
    other_maps,
    page,
    photo,
    target,
)
from inspector_pages import painted_map
from seewhy.client.notebook import Display
from seewhy.imaging.arrays import ImageArray
from seewhy.imaging.rendering.overlay import heatmap
from seewhy.schemas.geometry import Rectangle
from servers.browser import Watch, opened_page

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></script><script>throw 1</script>"
TWO_METHODS = explanation(others=[other_maps("layercam", linear=False)])


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What the page of a test does; at the end, it has sent nothing and violated nothing."""
    watch = Watch()
    yield watch
    watch.check()
    assert watch.requests == []


@pytest.fixture
def opened(browser: Browser, watch: Watch) -> Iterator[Page]:
    with opened_page(browser, watch, offline=True) as one:
        yield one


def show(opened: Page, folder: Path, text: str) -> None:
    """Open a text as a file, and wait until its map is drawn."""
    file = folder / "why.html"
    file.write_text(text, "utf-8")
    opened.goto(file.as_uri())
    expect(opened.locator("seewhy-map canvas")).to_have_attribute("role", "img")


def canvas_of(opened: Page) -> ImageArray:
    """Return the pixels of the map, RGBA."""
    body = base64.b64decode(painted_map(opened).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))


def drawn_by_the_service(chosen: int, **options: Any) -> ImageArray:
    arguments: dict[str, Any] = {"scale": float(MAPS.max())} | options
    return heatmap(
        MAPS[chosen],
        rectangle=Rectangle(**COVERS),
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        **arguments,
    )


def assert_same_colors(drawn: ImageArray, wanted: ImageArray) -> None:
    """Compare two drawings, whose rounding may differ by one of the 256 steps at few pixels."""
    assert drawn.shape == wanted.shape
    difference = np.abs(drawn.astype(int) - wanted.astype(int)).max(axis=2)
    assert difference.max() <= 8
    assert (difference > 1).mean() < 0.001


def choose(opened: Page, label: str, option: str) -> None:
    opened.get_by_role("combobox", name=label).select_option(label=option)


def test_the_map_is_that_of_the_service(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, page())
    assert_same_colors(canvas_of(opened), drawn_by_the_service(0))
    expect(opened.locator("seewhy-map img")).to_be_visible()
    drawn = "photo => [photo.naturalWidth, photo.naturalHeight]"
    assert opened.locator("seewhy-map img").evaluate(drawn) == [WIDTH_PX, HEIGHT_PX]
    assert opened.title() == "tiger cat: 50\N{NO-BREAK SPACE}% · seewhy"
    expect(opened.locator(".legend")).to_have_text("02one scale for all classes")
    expect(opened.locator("figure p").nth(1)).to_contain_text("of the evidence in")
    label = opened.locator("seewhy-map canvas").get_attribute("aria-label")
    assert label == opened.locator("figure p").nth(1).text_content()


def test_class_polarity_colors_and_threshold_change_without_a_request(
    opened: Page, tmp_path: Path
) -> None:
    show(opened, tmp_path, page())
    opened.get_by_role("radio", name="lynx").check()
    assert_same_colors(canvas_of(opened), drawn_by_the_service(1))
    expect(opened.locator("h1")).to_have_text("lynx: 25\N{NO-BREAK SPACE}%")
    choose(opened, "Colors", "viridis")
    assert_same_colors(canvas_of(opened), drawn_by_the_service(1, colormap="viridis"))
    choose(opened, "Evidence", "Both")
    assert_same_colors(canvas_of(opened), drawn_by_the_service(1, polarity="signed"))
    expect(opened.locator(".legend")).to_contain_text("\N{MINUS SIGN}22")
    expect(opened.get_by_role("combobox", name="Colors")).to_be_disabled()

    choose(opened, "Evidence", "For the class")
    choose(opened, "Threshold", "Share of the strongest")
    opened.get_by_role("slider", name="At").fill("80")
    expect(opened.locator("output")).to_contain_text("From 1.2 (80\N{NO-BREAK SPACE}%) on:")
    weak = canvas_of(opened)[:, :, 3] == 0
    assert weak[:, :15].all()  # outside the map
    assert 0.5 < weak[:, 15:105].mean() < 0.9

    opened.get_by_role("slider", name="Opacity").fill("30")
    assert opened.locator("seewhy-map canvas").evaluate("canvas => canvas.style.opacity") == "0.3"
    opened.get_by_label("Map", exact=True).uncheck()
    assert opened.locator("seewhy-map canvas").evaluate("canvas => canvas.style.opacity") == "0"


def test_two_classes_of_a_linear_method_are_compared(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, page(TWO_METHODS, maps=(MAPS, 2 * MAPS)))
    choose(opened, "Why not", "lynx")
    expect(opened.locator("h1")).to_contain_text("tiger cat, not lynx")
    expect(opened.locator(".legend")).to_contain_text("the scale of this difference")
    expect(opened.get_by_role("combobox", name="Scale")).to_be_disabled()
    opened.get_by_text("The map as a table").click()
    cells = opened.locator("td")
    expect(cells).to_have_count(1 + MAPS[0].size)  # a browser says later that details are open
    texts = cells.all_text_contents()[1:]
    assert [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts] == pytest.approx(
        (MAPS[0] - MAPS[1]).ravel().tolist(), rel=5e-3
    )
    choose(opened, "Method", "layercam at block/mid")
    expect(opened.get_by_role("combobox", name="Why not")).to_have_count(0)
    expect(opened.get_by_text("Two maps of layercam cannot be subtracted.")).to_be_visible()
    expect(opened.locator("td").nth(1)).to_have_text("\N{MINUS SIGN}2")
    expect(opened.locator("header p")).to_have_text("layercam · vgg16 · block/mid")


def test_a_flagged_map_says_why_and_is_shown_on_demand(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, page(target=2))
    expect(opened.locator(".flag")).to_contain_text("every value is negative")
    hatched = canvas_of(opened)
    opened.get_by_label("Show anyway").check()
    assert (canvas_of(opened) != hatched).any()
    opened.get_by_role("radio", name="tiger cat").check()
    expect(opened.locator(".flag")).to_be_hidden()


def test_the_cell_under_the_pointer_or_the_keys_is_read(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, page())
    canvas = opened.locator("seewhy-map canvas")
    box = canvas.bounding_box()
    assert box is not None
    opened.mouse.move(
        box["x"] + box["width"] * (15 + 90 * 7.5 / 8) / WIDTH_PX, box["y"] + box["height"] * 0.99
    )
    expect(opened.locator(".readout")).to_have_text(
        "Row 6, column 8: 2, at least as high as 100\N{NO-BREAK SPACE}% of the cells."
    )
    canvas.focus()
    opened.keyboard.press("ArrowUp")
    expect(opened.get_by_role("status")).to_contain_text("Row 5, column 8: ")


def test_options_of_drawings_are_what_is_shown_first(opened: Page, tmp_path: Path) -> None:
    view: dict[str, Any] = {
        "set": 1, "target": 1, "colormap": "viridis", "opacity": 0.4, "polarity": "negative",
        "threshold": {"kind": "percentile", "value": 60}, "scale": 3.5,
    }  # fmt: skip
    show(opened, tmp_path, page(TWO_METHODS, maps=(MAPS, MAPS), **view))
    expect(opened.get_by_role("radio", name="lynx")).to_be_checked()
    chosen = opened.locator("select").evaluate_all(
        "all => all.map((list) => list.selectedOptions[0].label)"
    )
    assert chosen == [
        "layercam at block/mid", "Against the class", "Percentile of the cells", "Colors",
        "viridis", "3.5", "None",
    ]  # fmt: skip
    assert opened.get_by_role("slider", name="At").input_value() == "60"
    assert opened.get_by_role("slider", name="Opacity").input_value() == "40"
    expect(opened.locator(".legend")).to_have_text("0\N{MINUS SIGN}3.5a fixed scale")
    show(opened, tmp_path, page(scale=1.5))
    expect(opened.locator(".legend")).to_have_text("01.5a fixed scale; stronger values exist")
    show(opened, tmp_path, page(colormap="jet"))
    assert opened.get_by_role("combobox", name="Colors").input_value() == "inferno"


def test_text_of_the_explanation_is_shown_as_text(opened: Page, tmp_path: Path) -> None:
    document = explanation([target(0, HOSTILE), *TARGETS[1:]], id=HOSTILE, model=HOSTILE)
    document["result"] |= {"layer": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    show(opened, tmp_path, page(document))
    expect(opened.locator("h1")).to_have_text(f"{HOSTILE}: 50\N{NO-BREAK SPACE}%")
    opened.get_by_text("Facts", exact=True).click()
    expect(opened.locator("dd").first).to_have_text(HOSTILE)
    assert opened.locator("img").count() == 1
    assert "taken" not in opened.title().removeprefix(HOSTILE)


def test_the_facts_have_inputs_times_versions_and_trust_scores(
    opened: Page, tmp_path: Path
) -> None:
    trust = {"insertion": 0.5, "deletion": None, "pointing_hit": False}
    document = explanation([target(0, "cat", trust=trust)])
    document["result"] |= {"inputs": {"age": [41.0], "site": [0, 1.5]}}
    show(opened, tmp_path, page(document, maps=(MAPS[:1],)))
    opened.get_by_text("Facts", exact=True).click()
    facts = zip(
        opened.locator("dt").all_text_contents(),
        opened.locator("dd").all_text_contents(),
        strict=True,
    )
    assert dict(facts) == {
        "Model": "vgg16", "age": "41", "site": "0, 1.5",
        "Image": "120 \N{MULTIPLICATION SIGN} 90 px",
        "Explained": "2026-11-29 12:00:01 UTC", "Explanation": "e1", "Weights": "0123456789abcdef",
        "seewhy": "0.1.0", "insertion, cat": "0.5", "pointing hit, cat": "no",
    }  # fmt: skip


def test_without_a_photo_the_map_lies_on_a_checkerboard(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, page(with_photo=False))
    background = opened.locator("seewhy-map").evaluate("map => getComputedStyle(map).background")
    assert "repeating-conic-gradient" in background
    assert_same_colors(canvas_of(opened), drawn_by_the_service(0))


@pytest.mark.parametrize("values", [np.nan, np.inf, 0.0])
def test_a_map_without_usable_values_is_shown_without_an_error(
    opened: Page, tmp_path: Path, values: float
) -> None:
    maps = np.full((1, 6, 8), values, np.float32)
    one = target(0, "cat", verdict="constant" if values == 0 else "not_finite", minimum=None)
    show(opened, tmp_path, page(explanation([one], maps=maps), maps=(maps,)))
    expect(opened.locator(".flag")).to_be_visible()


def test_a_pixel_level_map_is_no_table(opened: Page, tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(1, 60, 60)).astype(np.float32)
    document = explanation(TARGETS[:1], method="smoothgrad", linear=False, maps=maps)
    show(opened, tmp_path, page(document, maps=(maps,)))
    opened.get_by_text("The map as a table").click()
    expect(
        opened.get_by_text("60 \N{MULTIPLICATION SIGN} 60 values, too many for a table")
    ).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [320, 1280])
def test_the_page_is_accessible(
    browser: Browser, watch: Watch, tmp_path: Path, theme: str, width_px: int
) -> None:
    viewport = {"width": width_px, "height": 800}
    with opened_page(browser, watch, color_scheme=theme, viewport=viewport) as opened:
        for shown in (page(TWO_METHODS, maps=(MAPS, MAPS)), page(target=2, with_photo=False)):
            show(opened, tmp_path, shown)
            for summary in opened.locator("summary").all():
                summary.click()
            results = Axe().run(opened)
            assert results.response["violations"] == [], results.generate_report()
            wide = opened.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, "the page scrolls sideways"


def test_without_scripts_photo_and_scores_are_there(
    browser: Browser, watch: Watch, tmp_path: Path
) -> None:
    with opened_page(browser, watch, java_script_enabled=False) as opened:
        file = tmp_path / "why.html"
        file.write_text(page(), "utf-8")
        opened.goto(file.as_uri())
        expect(opened.get_by_alt_text("The explained image")).to_be_visible()
        expect(opened.get_by_role("row").nth(1)).to_contain_text("tiger cat")
        expect(opened.get_by_text("The map needs JavaScript")).to_be_visible()


def test_a_notebook_shows_the_page_in_a_frame_without_access_to_the_notebook(
    opened: Page, tmp_path: Path
) -> None:
    display = Display(title="vgg16 & 'gradcam'", page=page(), overlay=photo())
    file = tmp_path / "notebook.html"
    shown = display.mimebundle()["text/html"]
    file.write_text(f"<!doctype html><title>notebook</title><body>{shown}", "utf-8")
    opened.goto(file.as_uri())
    frame = opened.frame_locator("iframe")
    frame.get_by_role("radio", name="lynx").check()
    expect(frame.locator("h1")).to_have_text("lynx: 25\N{NO-BREAK SPACE}%")
    reach = "() => { try { return parent.document.title; } catch (error) { return error.name; } }"
    assert frame.locator("body").evaluate(reach) == "SecurityError"
    expect(opened.locator("summary")).to_have_text("vgg16 & 'gradcam'")
