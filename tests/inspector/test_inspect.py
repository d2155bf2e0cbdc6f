"""The screen of an explanation, as a person uses it on a running service."""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from inspector_pages import painted_map
from servers.browser import Watch, opened_page
from servers.explaining import ExplainingService

MAP = "seewhy-map"
TABBY, TIGER_CAT = 281, 282
RESULT_MS = 120_000
"""How long an explanation may take while the worker starts."""
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def explanation(service: ExplainingService, photos: Path) -> str:
    """The id of an explanation of the five most probable classes by two methods."""
    methods = ["gradcam", "layercam"]
    return service.explain(photos / "cat.jpg", targets="top:5", methods=methods)


def open_explanation(page: Page, service: ExplainingService, job_id: str, query: str = "") -> None:
    page.goto(f"{service.url}/#/e/{job_id}{query}")
    expect(page.locator(".controls")).to_be_visible()


def maps_of(service: ExplainingService, job_id: str, query: str = "") -> NDArray[np.float32]:
    """Return the maps of an explanation: (targets, map height, map width)."""
    maps: NDArray[np.float32] = np.load(
        io.BytesIO(service.get(f"/v1/explanations/{job_id}/map.npy{query}").content)
    )
    return maps


def shown_values(page: Page) -> NDArray[np.float64]:
    values: list[float] = page.evaluate("[...document.querySelector('seewhy-map').values]")
    return np.array(values)


def test_a_photo_that_a_person_chooses_is_explained_and_shown(
    page: Page, service: ExplainingService, photos: Path
) -> None:
    page.goto(f"{service.url}/#/new")
    page.get_by_label("Drop photos here").set_input_files(photos / "coffee.jpg")
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("espresso")
    job_id = page.url.partition("#/e/")[2]
    assert np.array_equal(
        shown_values(page).reshape(maps_of(service, job_id)[0].shape),
        maps_of(service, job_id)[0].astype(float),
    )
    expect(page.locator(".class")).to_have_count(5)


def test_a_sample_is_explained_with_one_click(page: Page, service: ExplainingService) -> None:
    page.goto(f"{service.url}/#/new")
    page.get_by_role("button", name="A cat").click()
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    assert "/#/e/" in page.url


def test_trust_is_measured_when_a_person_asks_for_it(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    page.get_by_role("button", name="Measure it").click()
    expect(page.get_by_text("Better than a random map")).to_be_visible(timeout=RESULT_MS)
    result = service.get(f"/v1/explanations/{page.url.partition('#/e/')[2]}").json()["result"]
    insertion = f"{result['targets'][0]['trust']['insertion']:.3g}"
    expect(page.locator("dd").filter(has_text=insertion)).to_have_count(1)


def test_several_photos_are_listed_each_with_its_class_or_its_refusal(
    page: Page, watch: Watch, service: ExplainingService, photos: Path
) -> None:
    watch.failures_expected = True
    page.goto(f"{service.url}/#/new")
    files = [photos / "cat.jpg", photos / "coffee.jpg", Path(__file__)]
    page.get_by_label("Drop photos here").set_input_files(files)
    rows = page.locator(".rows li")
    expect(rows.nth(0)).to_contain_text("tiger cat", timeout=RESULT_MS)
    expect(rows.nth(1)).to_contain_text("espresso", timeout=RESULT_MS)
    expect(rows.nth(2)).to_contain_text("the image is not JPEG, PNG or WebP")
    assert page.url.endswith("#/new")


def test_an_explanation_is_on_the_page_after_twelve_requests(
    page: Page, watch: Watch, service: ExplainingService, photos: Path
) -> None:
    job_id = service.explain(photos / "cat.jpg")
    open_explanation(page, service, job_id)
    photo = next(n for n, url in enumerate(watch.requests) if "/overlay" in url)
    assert photo < 12, watch.requests
    assert not [url for url in watch.requests if url.endswith("/events")]


def test_fifty_changes_of_the_controls_send_no_request(
    page: Page, watch: Watch, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    page.wait_for_load_state("networkidle")
    before = len(watch.requests)
    paints = page.evaluate_handle(
        "{ const seen = []; addEventListener('paint', ({ detail }) => seen.push(detail.ms)); seen }"
    )
    keys = ["2", "3", "ArrowDown", "m", "m", "m", "g", "c", "p", "p", "p", "v", "v", "[", "]"]
    for key in [*keys, "-", "=", "h", "h", "+", "0", "1"] * 3:
        page.keyboard.press(key)
    page.get_by_label("Maps").select_option("layercam")
    page.get_by_label("Boxes").select_option("all")
    page.get_by_label("Color scale").select_option("class")
    page.get_by_label("Gray photo").uncheck()
    page.get_by_label("Rule of the threshold").select_option("otsu")
    page.get_by_label("Opacity").fill("0.25")
    assert int(paints.evaluate("seen => seen.length")) >= 50
    # Chromium takes the icon from its cache at each change of the address.
    assert [url for url in watch.requests[before:] if not url.endswith("/icon.svg")] == []


def test_pointing_at_a_cell_reads_the_values_of_the_array(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    maps = maps_of(service, explanation)
    record = service.get(f"/v1/explanations/{explanation}").json()["result"]
    covers, (_, rows, columns) = record["covers"], maps.shape
    detail = page.evaluate_handle(
        "{ const last = {}; addEventListener('cellhover', ({ detail }) => "
        "Object.assign(last, detail)); last }"
    )
    box = page.locator(MAP).bounding_box()
    assert box is not None
    for row, column in [(0, 0), (3, 5), (rows - 1, columns - 1)]:
        x = covers["x"] + (column + 0.5) * covers["width"] / columns
        y = covers["y"] + (row + 0.5) * covers["height"] / rows
        page.mouse.move(
            box["x"] + x * box["width"] / record["image_width_px"],
            box["y"] + y * box["height"] / record["image_height_px"],
        )
        hovered: dict[str, Any] = detail.json_value()
        assert (hovered["row"], hovered["column"]) == (row, column)
        assert hovered["value"] == maps[0, row, column]
        assert hovered["values"] == maps[:, row, column].tolist()
        assert hovered["percentile"] == pytest.approx(
            100 * np.mean(maps[0] <= maps[0, row, column])
        )
        expect(page.locator(".readout")).to_contain_text(f"Row {row + 1}, column {column + 1}:")


def test_a_contrast_in_the_browser_is_that_of_the_service(
    page: Page, service: ExplainingService, photos: Path, explanation: str
) -> None:
    open_explanation(page, service, explanation, f"?c={TABBY}&vs={TIGER_CAT}&p=signed")
    expect(page.get_by_role("heading", level=1)).to_have_text("tabby, not tiger cat")
    expect(page.get_by_text("Computed here: gradcam is linear")).to_be_visible()
    contrast = service.explain(
        photos / "cat.jpg", targets=[{"why": TABBY, "not": [TIGER_CAT]}], method="gradcam"
    )
    expected = maps_of(service, contrast)[0].astype(float).ravel()
    error = np.abs(shown_values(page) - expected).max() / np.abs(expected).max()
    assert error <= 1e-5


def test_a_class_is_not_contrasted_with_itself(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation, f"?c={TABBY}")
    rivals = page.get_by_label("Why this class and not")
    expect(rivals.locator(f"option[value='{TABBY}']")).to_be_disabled()
    expect(rivals.locator(f"option[value='{TIGER_CAT}']")).to_be_enabled()


def test_a_method_that_is_not_linear_leaves_the_contrast_to_the_service(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation, f"?set=1&c={TABBY}&vs={TIGER_CAT}")
    expect(page.get_by_text("difference of normalized maps")).to_be_visible()
    page.get_by_role("button", name="Ask the service").click()
    expect(page).not_to_have_url(re.compile(explanation), timeout=RESULT_MS)
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("tabby, not tiger cat")
    expect(page.get_by_text("difference of normalized maps")).to_have_count(0)
    job_id = page.url.partition("#/e/")[2]
    result = service.get(f"/v1/explanations/{job_id}").json()["result"]
    assert result["method"] == "layercam"
    assert [rival["index"] for rival in result["targets"][0]["rivals"]] == [TIGER_CAT]


def test_a_link_shows_the_same_view_in_another_profile(
    page: Page, browser: Browser, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    for key in ["3", "g", "c", "[", "=", "="]:
        page.keyboard.press(key)
    page.get_by_label("Boxes").select_option("largest")
    expect(page).to_have_url(re.compile("b=largest"))
    with opened_page(browser, Watch()) as other:
        other.goto(page.url)
        expect(other.locator(".controls")).to_be_visible()
        assert painted_map(other) == painted_map(page)
        for part in (MAP, ".legend", ".head"):
            assert other.locator(part).screenshot() == page.locator(part).screenshot()


def test_back_undoes_the_choice_of_a_class_but_not_each_step_of_a_slider(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    heading = page.get_by_role("heading", level=1)
    first = heading.inner_text()
    page.keyboard.press("2")
    second = heading.inner_text()
    page.keyboard.press("]")
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("o="))
    page.keyboard.press("3")
    page.go_back()
    expect(heading).to_have_text(second)
    page.go_back()
    expect(heading).to_have_text(first)


def test_a_bad_part_of_the_address_is_named_and_the_rest_is_followed(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    query = "?c=99&t=p900&m=mask&cell=99,99&z=x&unknown=kept"
    open_explanation(page, service, explanation, query)
    expect(page.get_by_text("t=p900, z=x, c=99")).to_be_visible()
    assert page.evaluate("document.querySelector('seewhy-map').view.mode") == "mask"
    page.keyboard.press("m")
    expect(page).not_to_have_url(re.compile("m=mask"))
    assert page.url.endswith("unknown=kept")


def test_a_cut_out_dims_the_photo_outside_of_the_map_too(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    opacities = []
    for _ in range(4):
        canvas = Image.open(io.BytesIO(base64.b64decode(painted_map(page).partition(",")[2])))
        opacities.append(canvas.convert("RGBA").getchannel("A").getpixel((0, 0)))
        page.keyboard.press("m")
    assert opacities == [0, 0, 255, 0]


def test_labels_are_shown_as_text(page: Page, service: ExplainingService, explanation: str) -> None:
    record = service.get(f"/v1/explanations/{explanation}").json()
    text = json.dumps(record).replace("tiger cat", HOSTILE)
    page.route(f"**/v1/explanations/{explanation}", lambda route: route.fulfill(body=text))
    open_explanation(page, service, explanation, f"?c={TABBY}")
    expect(page.locator(".class").filter(has_text=HOSTILE)).to_have_count(1)
    page.get_by_label("Why this class and not").select_option(label=HOSTILE)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"tabby, not {HOSTILE}")
    assert page.locator("img[src=x]").count() == 0


def test_a_person_with_a_keyboard_only_sees_why(
    page: Page, service: ExplainingService, photos: Path
) -> None:
    page.goto(f"{service.url}/#/new")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    until(page, lambda: focused(page).startswith("A cat"), "Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    page.keyboard.press("2")
    expect(page.locator(".class").nth(1)).to_have_attribute("aria-pressed", "true")
    until(page, lambda: focused(page) == "CANVAS", "Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".readout")).to_contain_text("Row")
    expect(page).to_have_url(re.compile("cell="))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Heat, outline or cut-out")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_shortcuts_are_inert_in_fields_and_can_be_switched_off(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    page.get_by_text("Explain this photo again").click()
    page.get_by_label("Another class").fill("")
    page.get_by_label("Another class").press("m")
    assert page.evaluate("document.querySelector('seewhy-map').view.mode") == "heat"
    page.get_by_role("button", name="Keys and settings").click()
    page.get_by_label("Shortcuts of a single key").uncheck()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("m")
    page.reload()
    expect(page.locator(".controls")).to_be_visible()
    page.keyboard.press("m")
    assert page.evaluate("document.querySelector('seewhy-map').view.mode") == "heat"


def test_the_table_has_the_values_of_the_map(
    page: Page, service: ExplainingService, explanation: str
) -> None:
    open_explanation(page, service, explanation)
    expected = maps_of(service, explanation)[0].ravel()
    page.get_by_text("Map as a table").click()
    cells = page.locator("tbody td")
    expect(cells).to_have_count(expected.size)  # a browser says later that details are open
    shown = [float(text.replace("\N{MINUS SIGN}", "-")) for text in cells.all_inner_texts()]
    assert shown == pytest.approx(expected.tolist(), rel=5e-3)


@pytest.mark.parametrize(
    "view",
    [
        "?cm=viridis&t=off",
        "?m=contour&t=.5&b=all&gray=0",
        "?m=mask&o=1&t=.5",
        f"?vs={TABBY}&p=signed",
    ],
)
def test_a_click_downloads_the_image_that_is_shown_and_its_legend(
    page: Page, service: ExplainingService, explanation: str, view: str
) -> None:
    open_explanation(page, service, explanation, view)
    shown = Image.open(io.BytesIO(page.locator("seewhy-map .stage").screenshot())).convert("RGB")
    page.get_by_text("Download and share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Image (PNG)").click()
    assert re.fullmatch(r"[0-9a-f-]{36}\.png", download.value.suggested_filename)
    file = np.asarray(Image.open(download.value.path()).convert("RGB"), int)
    assert file.shape == (350, 451, 3)
    saved, legend = file[:300], file[300:]
    assert np.abs(saved - np.asarray(shown.resize((451, 300)), int)).mean() < 8
    assert legend[0, 0].tolist() == [255, 255, 255]
    assert np.ptp(legend[12], axis=0).max() > 100  # the colors
    assert legend[25:].min() < 100  # the words


@pytest.mark.parametrize(("button", "route"), [("JSON", "regions"), ("COCO", "coco.json")])
def test_regions_are_downloaded_with_the_threshold_that_is_shown(
    page: Page, service: ExplainingService, explanation: str, button: str, route: str
) -> None:
    open_explanation(page, service, explanation, "?t=0.5")
    page.get_by_text("Download and share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Regions ({button})").click()
    saved = json.loads(download.value.path().read_bytes())
    stored = service.get(f"/v1/explanations/{explanation}/{route}?threshold=0.5").json()
    assert saved == stored


def focused(page: Page) -> str:
    """Return the text of the focused element, or its tag when it has none."""
    text: str = page.evaluate(
        "document.activeElement.textContent.trim() || document.activeElement.tagName"
    )
    return text


def until(page: Page, condition: Callable[[], bool], key: str) -> None:
    """Press a key until a condition holds."""
    for _ in range(60):
        if condition():
            return
        page.keyboard.press(key)
    raise AssertionError(f"60 times {key} did not get there")
