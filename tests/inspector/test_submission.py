"""How photos reach the page, and how it follows their explanations."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import JSHandle, Page, Route, expect

from servers.browser import Watch
from servers.explaining import ExplainingService

RESULT_MS = 120_000
"""How long an explanation may take while the worker starts."""
TRANSFER = """([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  return transfer;
}"""
PASTE = """(transfer) => window.dispatchEvent(
  new ClipboardEvent("paste", { clipboardData: transfer }))"""


def transfer_of(page: Page, photo: Path) -> JSHandle:
    """Return what a browser passes to a page with a photo that is dropped or pasted."""
    text = base64.b64encode(photo.read_bytes()).decode()
    return page.evaluate_handle(TRANSFER, [photo.name, text])


@pytest.mark.parametrize("screen", ["#/new", "#/", "#/nothing"])
def test_a_photo_that_is_dropped_on_any_screen_is_explained(
    page: Page, service: ExplainingService, photos: Path, screen: str
) -> None:
    page.goto(f"{service.url}/{screen}")
    expect(page.locator("main > *").first).to_be_visible()
    transfer = transfer_of(page, photos / "coffee.jpg")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("espresso")


def test_a_photo_that_is_pasted_is_explained(
    page: Page, service: ExplainingService, photos: Path
) -> None:
    page.goto(f"{service.url}/#/new")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate(PASTE, transfer_of(page, photos / "coffee.jpg"))
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("espresso")


def test_an_explanation_is_followed_without_events(
    page: Page, service: ExplainingService, photos: Path
) -> None:
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=204)

    page.route(re.compile("/events$"), refuse)
    with service.paused_worker():
        job_id = service.submit(photos / "rocket.jpg", cache=False)
        page.goto(f"{service.url}/#/e/{job_id}")
        expect(page.get_by_text("Number 1 in the queue")).to_be_visible()
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    assert len(refused) == 1


def test_many_photos_wait_without_holding_the_connections_of_the_browser(
    page: Page, service: ExplainingService, photos: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(9)]
    for number, file in enumerate(files):  # bytes after the end of a JPEG do not change its pixels
        file.write_bytes((photos / "coffee.jpg").read_bytes() + bytes([number + 1]))
    page.goto(f"{service.url}/#/new")
    rows = page.locator(".rows li")
    with service.paused_worker():
        page.get_by_label("Drop photos here").set_input_files(files)
        expect(rows.filter(has_text="in the queue")).to_have_count(len(files), timeout=RESULT_MS)
    expect(rows.filter(has_text="espresso")).to_have_count(len(files), timeout=RESULT_MS)


def test_a_photo_waits_while_the_service_takes_no_more(
    page: Page, watch: Watch, service: ExplainingService, photos: Path
) -> None:
    watch.failures_expected = True
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if route.request.method != "POST" or refused:
            route.fallback()
            return
        refused.append(route.request.url)
        problem = {"status": 429, "code": "rate_limited", "title": "Too many", "detail": "Wait."}
        route.fulfill(status=429, json=problem, headers={"Retry-After": "1"})

    page.route("**/v1/explanations", refuse_once)
    page.goto(f"{service.url}/#/new")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.set_input_files("input[type=file]", photos / "coffee.jpg")
    expect(page.locator(".rows")).to_contain_text("the next try is in 1 s")
    expect(page.locator(".controls")).to_be_visible(timeout=RESULT_MS)
    assert len(refused) == 1


def test_an_explanation_can_be_explained_again_with_another_method_and_class(
    page: Page, watch: Watch, service: ExplainingService, photos: Path
) -> None:
    watch.failures_expected = True
    first = service.explain(photos / "cat.jpg", targets="top:2")
    page.goto(f"{service.url}/#/e/{first}")
    expect(page.locator(".controls")).to_be_visible()
    page.get_by_text("Explain this photo again").click()
    page.get_by_label("Another class").fill("no such class")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("no such class")
    page.get_by_label("Another class").fill("lynx")
    page.get_by_label("Method").select_option("hirescam")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page).not_to_have_url(re.compile(first), timeout=RESULT_MS)
    expect(page.locator(".head")).to_contain_text("hirescam", timeout=RESULT_MS)
    expect(page.locator(".class").filter(has_text="lynx").locator("canvas")).to_have_count(1)
