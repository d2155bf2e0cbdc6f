"""The gallery: its order and filters, its windowed tiles, and the way to a comparison."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gallery_pages import answer_list, answer_summaries, shown_ids, summary
from inspector_pages import THEMES, check_access
from seewhy.schemas.result import Verdict
from servers.browser import Watch, opened_page
from servers.explaining import ExplainingService

TILES = ".tiles > li"
THOUSAND = [summary(number) for number in range(1_000)]
MAX_TILES = 60


def open_gallery(page: Page, service: ExplainingService, query: str = "") -> None:
    page.goto(f"{service.url}/#/{query}")
    expect(page.locator(TILES).first).to_be_visible()


def test_the_most_suspicious_of_a_thousand_come_first_in_at_most_sixty_tiles(
    page: Page, service: ExplainingService
) -> None:
    answer_summaries(page, THOUSAND)
    open_gallery(page, service)
    expect(page.get_by_role("status").filter(has_text="1000")).to_be_visible()
    ids = [one.id for one in THOUSAND]
    assert shown_ids(page) == ids[: len(shown_ids(page))]
    expect(page.locator(TILES).first).to_contain_text("Reason 0")
    expect(page.locator(TILES).first).to_have_attribute("aria-setsize", "1000")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(f"{TILES}[aria-posinset='1000']")).to_be_visible()
    assert shown_ids(page)[-1] == ids[-1]
    assert page.locator(TILES).count() <= MAX_TILES


@pytest.mark.parametrize(
    ("sort", "first"), [("newest", 999), ("margin", 0), ("by-border", 0), ("nonsense", 0)]
)
def test_the_order_is_in_the_address(
    page: Page, service: ExplainingService, sort: str, first: int
) -> None:
    answer_summaries(page, THOUSAND)
    open_gallery(page, service, f"?sort={sort}")
    expect(page.locator("header", has_text="1000")).to_be_visible()
    expect(page.locator(TILES).first).to_contain_text(f"Reason {first}")


def test_filters_are_in_the_address_and_can_be_cleared(
    page: Page, service: ExplainingService
) -> None:
    flagged = summary(50, verdict=Verdict.ALL_NEGATIVE, label="<img src=x onerror=alert(1)>")
    answer_summaries(page, [summary(1), summary(2), flagged])
    open_gallery(page, service)
    page.locator("label:has-text('Verdict') select").last.select_option("all_negative")
    expect(page.locator(TILES)).to_have_count(1)
    expect(page.locator(TILES)).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.url.endswith("#/?verdict=all_negative")
    page.go_back()
    expect(page.locator(TILES)).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("espresso photo-1")
    expect(page.locator(TILES)).to_have_count(1)
    page.keyboard.type("x")
    expect(page.get_by_role("heading", name="No explanation matches")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator(TILES)).to_have_count(3)


def test_arrows_move_the_focus_and_enter_opens(page: Page, service: ExplainingService) -> None:
    answer_summaries(page, THOUSAND)
    open_gallery(page, service)
    expect(page.locator("header", has_text="1000")).to_be_visible()
    page.locator(f"{TILES} a").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("Number(document.activeElement.closest('li').ariaPosInSet)")
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.tiles')).gridTemplateColumns.split(' ').length"
    )
    assert focused == 12 * columns + 2
    assert page.locator(TILES).count() <= MAX_TILES


def test_images_are_loaded_for_the_tiles_on_the_screen_only(
    page: Page, watch: Watch, service: ExplainingService
) -> None:
    answer_summaries(page, THOUSAND)
    open_gallery(page, service)
    expect(page.locator(f"{TILES} canvas:not([hidden])").last).to_be_attached()
    expect(page.locator("header", has_text="1000")).to_be_visible()
    asked = [url for url in watch.requests if "/overlay" in url]
    assert 0 < len(asked) <= 2 * MAX_TILES


def test_real_explanations_are_shown_opened_and_returned_to(
    page: Page, service: ExplainingService, photos: Path
) -> None:
    first = service.explain(photos / "cat.jpg", targets="top:2")
    second = service.explain(photos / "coffee.jpg", targets=[1])
    open_gallery(page, service, "?sort=newest")
    assert shown_ids(page)[:2] == sorted([first, second], reverse=True)
    newest = page.locator(TILES).first
    expect(newest).to_contain_text("espresso")
    expect(newest).to_contain_text("The map is of goldfish")
    expect(newest.locator("canvas")).to_be_visible()
    newest.get_by_role("link").click()
    expect(page.locator(".controls")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{service.url}/#/e/{first}")
    page.go_back()
    page.go_back()
    expect(page.locator(TILES).first).to_be_visible()


def test_up_to_four_explanations_are_chosen_for_a_comparison(
    page: Page, service: ExplainingService
) -> None:
    several = [summary(number) for number in range(6)]
    answer_summaries(page, several)
    open_gallery(page, service)
    boxes = page.get_by_role("checkbox")
    for number in range(4):
        boxes.nth(number).check()
    boxes.nth(4).click()
    expect(boxes.nth(4)).not_to_be_checked()
    expect(page.get_by_text("4 of 4 chosen")).to_be_visible()
    link = page.get_by_role("link", name="Compare").get_attribute("href")
    assert link == f"#/c/{','.join(one.id for one in several[:4])}"


@pytest.mark.parametrize(
    ("query", "path", "title"),
    [
        ("?batch=b1", "v1/batches/b1", "Batch"),
        ("?project=4", "label-studio/projects/4", "Project 4"),
    ],
)
def test_a_batch_and_a_project_have_lists_in_their_own_order(
    page: Page, service: ExplainingService, query: str, path: str, title: str
) -> None:
    several = [summary(number) for number in (3, 1, 2)]
    answer_list(page, path, several)
    open_gallery(page, service, f"{query}&sort=newest")
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    assert shown_ids(page) == [one.id for one in several]


def test_an_outage_keeps_what_is_shown(
    page: Page, watch: Watch, service: ExplainingService
) -> None:
    answer_summaries(page, [summary(1)])
    open_gallery(page, service)
    watch.failures_expected = True
    page.unroute("**/v1/summaries?*")
    page.route("**/v1/summaries?*", lambda route: route.abort())
    expect(page.get_by_text("What is shown may be old")).to_be_visible()
    expect(page.locator(TILES)).to_have_count(1)


def test_the_first_visit_says_how_to_begin(page: Page, service: ExplainingService) -> None:
    answer_summaries(page, [])
    page.goto(f"{service.url}/")
    expect(page.get_by_role("heading", name="No explanations yet")).to_be_visible()
    expect(page.get_by_text("seewhy explain photo.jpg")).to_be_visible()


def test_tiles_do_not_overlap_on_a_phone(page: Page, service: ExplainingService) -> None:
    wide = Path(__file__).parents[2] / "examples" / "photos" / "astronaut.jpg"
    answer_summaries(page, [summary(1, label="a class with a very long name"), summary(2)])
    page.route("**/overlay?*", lambda route: route.fulfill(path=wide))
    page.set_viewport_size({"width": 360, "height": 780})
    open_gallery(page, service)
    expect(page.locator(".thumb canvas").first).to_be_visible()
    left, right = (tile.bounding_box() for tile in page.locator(".thumb").all())
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize("theme", THEMES)
def test_the_gallery_has_no_barriers(
    browser: Browser, watch: Watch, service: ExplainingService, theme: str
) -> None:
    several = [summary(number) for number in range(7)]
    several.append(summary(9, verdict=Verdict.CONSTANT))
    with opened_page(browser, watch, color_scheme=theme) as page:
        answer_summaries(page, several)
        open_gallery(page, service)
        page.get_by_role("checkbox").first.check()
        check_access(page, f"gallery-{theme}")
        page.set_viewport_size({"width": 320, "height": 640})
        check_access(page, f"gallery-phone-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    watch.check()
