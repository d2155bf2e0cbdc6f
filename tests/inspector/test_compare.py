"""Maps side by side: linked moves, differences, other methods, and the address."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from inspector_pages import THEMES, check_access
from seewhy.ids import new_job_id
from servers.browser import Watch, opened_page
from servers.explaining import ExplainingService

MAPS = "seewhy-map"


@pytest.fixture(scope="module")
def cat(service: ExplainingService, photos: Path) -> str:
    """The id of an explanation of two classes by two methods."""
    methods = ["gradcam", "layercam"]
    return service.explain(photos / "cat.jpg", targets="top:2", methods=methods)


@pytest.fixture(scope="module")
def coffee(service: ExplainingService, photos: Path) -> str:
    return service.explain(photos / "coffee.jpg")


def open_panes(page: Page, service: ExplainingService, panes: str) -> None:
    page.goto(f"{service.url}/#/c/{panes}")
    expect(page.locator(".controls")).to_be_visible()


def views(page: Page) -> list[dict[str, object]]:
    found: list[dict[str, object]] = page.evaluate(
        "[...document.querySelectorAll('seewhy-map')].filter((map) => map.data)"
        ".map(({ view, data }) => ({ ...view, width: data.imageWidthPx }))"
    )
    return found


def test_two_classes_of_a_linear_method_have_an_exact_difference(
    page: Page, service: ExplainingService, cat: str
) -> None:
    open_panes(page, service, f"{cat},{cat}?of=,~t1")
    expect(page.locator(MAPS)).to_have_count(3)
    heading = page.locator(".pane h2").nth(2)
    expect(heading).to_have_text("tiger cat \N{MINUS SIGN} Egyptian cat")
    expect(page.locator(".pane").nth(2)).to_contain_text("Exact: gradcam is linear")
    difference = page.evaluate(
        "(([a, b, d]) => [...d.values].map((value, n) => value - (a.values[n] - b.values[n])))"
        "([...document.querySelectorAll('seewhy-map')])"
    )
    assert max(map(abs, difference)) < 1e-6


def test_two_methods_have_a_difference_that_is_called_one_of_normalized_maps(
    page: Page, service: ExplainingService, cat: str
) -> None:
    open_panes(page, service, f"{cat},{cat}?of=,1")
    expect(page.locator(".pane p").nth(2)).to_contain_text("layercam")
    expect(page.locator(".pane h2").nth(2)).to_have_text("Difference of normalized maps")
    page.get_by_label("Maps").nth(1).select_option("0")
    expect(page.locator(".pane").nth(2)).to_be_hidden()
    assert page.url.endswith(f"#/c/{cat},{cat}")
    page.go_back()
    expect(page.locator(".pane h2").nth(2)).to_have_text("Difference of normalized maps")


def test_different_photos_have_no_difference(
    page: Page, service: ExplainingService, cat: str, coffee: str
) -> None:
    open_panes(page, service, f"{cat},{coffee}")
    expect(page.locator(".pane:visible")).to_have_count(2)
    expect(page.get_by_role("heading", name="espresso")).to_be_visible()


def test_a_comparison_of_nothing_says_so(page: Page, service: ExplainingService) -> None:
    page.goto(f"{service.url}/#/c/")
    expect(page.get_by_role("heading", name="There is nothing to compare")).to_be_visible()
    page.get_by_role("link", name="Show the explanations").click()
    expect(page).to_have_url(f"{service.url}/#/")


def test_what_cannot_be_shown_has_a_pane_with_the_reason(
    page: Page, watch: Watch, service: ExplainingService, cat: str, coffee: str
) -> None:
    watch.failures_expected = True
    unknown = new_job_id()
    open_panes(page, service, f"{cat},{unknown},{coffee}")
    headings = page.locator(".pane:visible h2")
    expect(headings).to_have_text([re.compile("tiger cat"), "No map", re.compile("espresso")])
    expect(page.locator(".pane").nth(1)).to_contain_text("There is no explanation with this id.")
    expect(page.locator(f"{MAPS}:visible")).to_have_count(2)
    page.goto(f"{service.url}/#/c/{unknown}")
    expect(page.get_by_role("heading", name="There is no such explanation")).to_be_visible()


def test_zoom_cells_and_threshold_move_together_until_they_are_unlinked(
    page: Page, service: ExplainingService, cat: str, coffee: str
) -> None:
    open_panes(page, service, f"{cat},{coffee}")
    page.locator("h1").click()
    page.keyboard.press("+")
    first, second = views(page)
    assert first["zoom"]["scale"] == second["zoom"]["scale"] == 1.5  # type: ignore[index]
    share = [view["zoom"]["x"] / view["width"] for view in (first, second)]  # type: ignore[index]
    assert share[0] == pytest.approx(share[1])
    page.keyboard.press("0")
    canvas = page.locator(f"{MAPS} canvas")
    canvas.nth(1).hover()
    texts = [page.locator(".pane > p").nth(n).text_content() or "" for n in (0, 1)]
    assert [text.startswith("Row 4, column 4:") for text in texts] == [True, True]
    canvas.nth(0).click()
    assert [view["cell"] for view in views(page)] == [[3, 3], [3, 3]]
    page.get_by_label("Threshold", exact=True).fill("0.5")
    assert [view["threshold"]["value"] for view in views(page)] == [0.5, 0.5]  # type: ignore[index]
    page.locator("h1").click()
    page.keyboard.press("l")
    expect(page.get_by_label("Move together")).not_to_be_checked()
    page.keyboard.press("+")
    first, second = views(page)
    assert first["zoom"] is not None
    assert second["zoom"] is None


def test_a_link_shows_the_same_view_in_another_profile(
    browser: Browser, page: Page, watch: Watch, service: ExplainingService, cat: str
) -> None:
    open_panes(page, service, f"{cat},{cat}?of=,1")
    page.locator("h1").click()
    for key in ("+", "g", "m"):
        page.keyboard.press(key)
    page.locator(f"{MAPS} canvas").nth(1).click()
    page.wait_for_url("**cell=*")
    with opened_page(browser, watch) as other:
        other.goto(page.url)
        expect(other.locator(".controls")).to_be_visible()
        assert views(other) == views(page)


def test_another_method_of_the_photo_is_asked_from_the_service(
    page: Page, service: ExplainingService, coffee: str
) -> None:
    open_panes(page, service, f"{coffee}")
    page.get_by_label("Another method").select_option("hirescam")
    page.get_by_role("button", name="Add this method").click()
    expect(page.locator(".pane:visible")).to_have_count(3)
    expect(page.locator(".pane p").nth(2)).to_contain_text("hirescam")


@pytest.mark.parametrize("theme", THEMES)
def test_a_comparison_has_no_barriers(
    browser: Browser, watch: Watch, service: ExplainingService, cat: str, theme: str
) -> None:
    with opened_page(browser, watch, color_scheme=theme) as page:
        open_panes(page, service, f"{cat},{cat}?of=,1")
        check_access(page, f"compare-{theme}")
        page.set_viewport_size({"width": 320, "height": 640})
        check_access(page, f"compare-phone-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    watch.check()
