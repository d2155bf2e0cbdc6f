"""The pages for browsers without scripts, in a browser without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from inspector_pages import check_page, save_screenshot
from seewhy.schemas.result import Verdict
from servers.browser import LIMIT_MS, Watch, opened_page
from servers.explaining import UNSERVED_MODEL, ExplainingService
from staged_jobs import HOT, a_target, claim_jobs, complete_job, fail_job

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def plain_page(browser: Browser, watch: Watch) -> Iterator[Page]:
    """A page of a browser that runs no scripts."""
    with opened_page(browser, watch, java_script_enabled=False) as page:
        yield page
        watch.check()


def test_a_photo_is_explained_without_scripts(
    service: ExplainingService, plain_page: Page, photos: Path
) -> None:
    page = plain_page
    page.goto(service.url)
    save_screenshot(page, "no-script-form")
    page.get_by_label("A JPEG, PNG or WebP photo").set_input_files(photos / "cat.jpg")
    page.get_by_role("button", name="Explain this photo").click()
    heading = page.get_by_role("heading", level=1)
    while not heading.filter(has_text="Where the model sees").count():
        page.get_by_role("link", name="Wait for the result").click(timeout=2 * LIMIT_MS)
    expect(heading).to_have_text("Where the model sees evidence for tiger cat")
    expect(page.get_by_role("row").nth(1)).to_contain_text("tiger cat")
    assert page.locator("figure img").evaluate("image => image.naturalWidth") == 451
    save_screenshot(page, "no-script")


def test_the_pages_without_scripts_are_accessible(
    service: ExplainingService, page: Page, watch: Watch, photos: Path
) -> None:
    finished = service.explain(photos / "cat.jpg")
    ids = [service.submit(photos / "cat.jpg", model=UNSERVED_MODEL, cache=False) for _ in range(3)]
    claims = {claim.job_id: claim for claim in claim_jobs(service.settings, UNSERVED_MODEL)}
    failed, flagged, waiting = ids
    fail_job(service.settings, claims[failed], code="explainer_failed", detail="It had no memory.")
    complete_job(
        service.settings,
        claims[flagged],
        model=UNSERVED_MODEL,
        targets=[a_target(HOSTILE, HOT - 2, verdict=Verdict.ALL_NEGATIVE)],
        arrays=[HOT - 2],
    )
    watch.failures_expected = True  # the page of an unknown explanation is a 404
    for name, path in {
        "no-script": f"/explanation/{finished}",
        "no-script-open": f"/explanation/{waiting}",
        "no-script-failed": f"/explanation/{failed}",
        "no-script-flagged": f"/explanation/{flagged}",
        "no-script-unknown": "/explanation/nonsense",
    }.items():
        page.goto(service.url + path)
        check_page(page, name)
