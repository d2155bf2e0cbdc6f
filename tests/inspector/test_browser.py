"""The tests of pages notice what pages should not do, and can see what the service drew."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from servers.browser import Watch, opened_page
from servers.explaining import ExplainingService

URL = "http://127.0.0.1:1/page"
POLICY = "default-src 'none'; script-src 'self'"


def watched(browser: Browser, body: str, *, policy: str = "default-src *") -> Watch:
    """Return what a page with a body did."""
    watch = Watch()
    with opened_page(browser, watch) as page:
        page.route(
            "**/page",
            lambda route: route.fulfill(
                body=f"<!doctype html><title>a</title>{body}",
                headers={"Content-Type": "text/html", "Content-Security-Policy": policy},
            ),
        )
        page.goto(URL, wait_until="load")
    return watch


def test_a_page_that_does_nothing_wrong_passes(browser: Browser) -> None:
    watch = watched(browser, "<p>text</p>", policy=POLICY)
    watch.check()
    assert watch.requests == [URL]


@pytest.mark.parametrize(
    ("body", "directive"),
    [
        ("<script>document.title = 'b'</script>", "script-src-elem"),
        ("<p style='color: red'>text</p>", "style-src-attr"),
        ("<img src='data:image/png;base64,AA=='>", "img-src"),
    ],
)
def test_a_violation_of_the_policy_is_noticed(browser: Browser, body: str, directive: str) -> None:
    watch = watched(browser, body, policy=POLICY)
    assert watch.violations[0].startswith(directive)
    with pytest.raises(AssertionError):
        watch.check()


def test_a_request_to_another_site_is_noticed_and_reaches_no_one(browser: Browser) -> None:
    watch = watched(browser, "<img src='http://example.com/a.png'>")
    assert watch.foreign == ["http://example.com/a.png"]
    assert "ERR_NAME_NOT_RESOLVED" in watch.failed_loads[0]
    with pytest.raises(AssertionError):
        watch.check()


@pytest.mark.parametrize("statement", ["throw Error('bad')", "console.error('bad')"])
def test_an_exception_and_an_error_of_the_console_are_noticed(
    browser: Browser, statement: str
) -> None:
    watch = watched(browser, f"<script>{statement}</script>", policy="script-src 'unsafe-inline'")
    assert len(watch.errors) == 1
    assert "bad" in watch.errors[0]
    with pytest.raises(AssertionError):
        watch.check()


def test_a_browser_shows_what_the_service_explained(
    service: ExplainingService, browser: Browser, photos: Path
) -> None:
    explanation = service.explain(photos / "cat.jpg")
    path = f"/v1/explanations/{explanation}/overlay"
    with opened_page(browser, Watch(), viewport={"width": 451, "height": 300}) as page:
        page.goto(f"{service.url}{path}")
        shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    drawn = Image.open(io.BytesIO(service.get(path).content)).convert("RGB")
    assert shown.size == drawn.size
    assert (
        np.abs(np.asarray(shown, int) - np.asarray(drawn, int)).mean() < 4
    )  # JPEG decoders differ
