"""Every state of the page: its words, and what it owes to everybody who uses it.

The service is in the state where a test can bring it there; elsewhere it answers what its models
allow. `check_page` writes a screenshot of each state to `build/inspector`.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from inspector_pages import check_page, save_screenshot
from seewhy.ids import new_job_id
from seewhy.imaging.arrays import MapArray
from seewhy.ledger.types import Claim
from seewhy.schemas.result import Verdict
from seewhy.schemas.trust_scores import TrustScores
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.http.problems import PROBLEM_JSON, problem_members
from servers.browser import Watch, opened_page
from servers.explaining import UNSERVED_MODEL, ExplainingService, GuardedApi
from staged_jobs import HOT, a_target, claim_jobs, complete_job, fail_job

HOSTILE = "<img src=x onerror=alert(1)>"


class Stage:
    """Brings the service and a page into a state."""

    def __init__(self, service: ExplainingService, page: Page, photo: Path) -> None:
        """Use a photo that no other test sends."""
        self.service = service
        self.page = page
        self.photo = photo
        self.until_the_end = ExitStack()

    def open(self, job_id: str) -> None:
        """Open the page of an explanation."""
        self.page.goto(f"{self.service.url}/#/e/{job_id}")

    def submit(self) -> str:
        """Submit the photo for a model without a worker."""
        job_id = self.service.submit(self.photo, model=UNSERVED_MODEL, cache=False)
        self.until_the_end.callback(self.service.cancel, job_id)
        return job_id

    def claim(self) -> tuple[str, Claim]:
        """Submit the photo and take its job, as a worker does."""
        job_id = self.submit()
        claims = claim_jobs(self.service.settings, UNSERVED_MODEL)
        return job_id, next(claim for claim in claims if claim.job_id == job_id)

    def complete(self, *, map_: MapArray = HOT, label: str = "tiger cat", **target: Any) -> str:
        """Explain the photo with a map, and with a weak map of a second class."""
        job_id, claim = self.claim()
        targets = [
            a_target(label, map_, probability=0.62, **target),
            a_target("Egyptian cat", 0.1 * HOT, index=1, probability=0.01),
        ]
        complete_job(
            self.service.settings,
            claim,
            model=UNSERVED_MODEL,
            targets=targets,
            arrays=[map_, 0.1 * HOT],
        )
        return job_id

    def delete(self, prefix: str, part: str) -> None:
        """Delete, until the test ends, the objects below a prefix whose keys contain a part.

        A gallery of another test would show the explanation and fail to load its image.
        """
        store = open_store(self.service.settings)
        for key in [key for key in store.list_keys(prefix) if part in key]:
            body = store.get(key)
            self.until_the_end.callback(
                store.put, key, body, content_type="application/octet-stream"
            )
            store.delete(key)

    def answer(self, path: str, status: HTTPStatus, code: str, detail: str) -> None:
        """Let the service answer requests for a path with a problem."""
        body = json.dumps(problem_members(status, code, detail))
        self.page.route(
            f"{self.service.url}{path}",
            lambda route: route.fulfill(status=status, body=body, content_type=PROBLEM_JSON),
        )


@pytest.fixture
def stage(
    service: ExplainingService, page: Page, watch: Watch, photos: Path, tmp_path: Path
) -> Iterator[Stage]:
    """A stage; what it has paused goes on afterwards."""
    photo = tmp_path / "cat.png"
    photo.write_bytes(distinct(photos / "cat.jpg"))
    watch.failures_expected = True
    stage = Stage(service, page, photo)
    with stage.until_the_end:
        yield stage


def distinct(photo: Path) -> bytes:
    """Return a photo whose bytes are those of no other."""
    image = Image.open(photo).convert("RGB")
    image.putpixel((0, 0), tuple(np.random.default_rng().integers(0, 255, 3).tolist()))
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def loading(stage: Stage) -> str:
    def hold(route: Route) -> None:
        """Give no answer."""

    stage.page.route("**/v1/explanations/*", hold)
    stage.open(stage.submit())
    return "Loading the explanation"


def queued(stage: Stage) -> str:
    stage.service.explain(stage.photo)  # the worker has measured its pace
    stage.until_the_end.enter_context(stage.service.paused_worker())
    jobs = [stage.service.submit(stage.photo, cache=False) for _ in range(3)]
    stage.open(jobs[2])
    return "in the queue, done in"


def queued_without_a_worker(stage: Stage) -> str:
    stage.open(stage.submit())
    return "No worker serves the model vgg16"


def running(stage: Stage) -> str:
    stage.open(stage.claim()[0])
    return "A worker explains the photo"


def explained(stage: Stage) -> str:
    stage.open(stage.service.explain(stage.photo, targets="top:5", outputs=["trust"]))
    return "tiger cat"


def worse_than_chance(stage: Stage) -> str:
    stage.open(stage.complete(trust=TrustScores(times_better_than_chance=0.4)))
    return "A random map predicts the probability of this class better"


def all_negative(stage: Stage) -> str:
    stage.open(stage.complete(map_=HOT - 2, verdict=Verdict.ALL_NEGATIVE))
    return "every value is negative"


def not_finite(stage: Stage) -> str:
    map_ = HOT.copy()
    map_[2:5, 3:6] = np.nan
    stage.open(stage.complete(map_=map_, verdict=Verdict.NOT_FINITE))
    return "not finite"


def hostile_label(stage: Stage) -> str:
    stage.open(stage.complete(label=HOSTILE))
    return HOSTILE


def failed(stage: Stage) -> str:
    job_id, claim = stage.claim()
    fail_job(
        stage.service.settings, claim, code="explainer_failed", detail="The model gave no number."
    )
    stage.open(job_id)
    return "The model gave no number."


def cancelled(stage: Stage) -> str:
    stage.open(stage.submit())
    stage.page.get_by_role("button", name="Cancel").click()
    return "The explanation was cancelled"


def too_late(stage: Stage) -> str:
    job_id = stage.service.submit(stage.photo, model=UNSERVED_MODEL, cache=False, deadline_s=0.01)
    stage.open(job_id)
    return "The explanation was not done in time"


def deleted(stage: Stage) -> str:
    retention = timedelta(seconds=stage.service.settings.retention_s + 60)
    stamp = f"{int((datetime.now(UTC) - retention).timestamp() * 1000):012x}"
    stage.open(f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000")
    return "This explanation is no longer kept"


def not_found(stage: Stage) -> str:
    stage.open(new_job_id())
    return "There is no such explanation"


def no_such_page(stage: Stage) -> str:
    stage.page.goto(f"{stage.service.url}/#/nothing")
    return "There is no such page"


def offline(stage: Stage) -> str:
    stage.page.goto(f"{stage.service.url}/#/new")
    expect(stage.page.get_by_label("Model")).not_to_be_empty()
    stage.page.context.set_offline(True)
    stage.page.evaluate("id => { location.hash = `#/e/${id}` }", new_job_id())
    return "The service does not answer"


def out_of_order(stage: Stage) -> str:
    detail = "The service is temporarily unavailable. Retry the request later."
    path, status = "/v1/explanations/*", HTTPStatus.SERVICE_UNAVAILABLE
    stage.answer(path, status, "ledger_unavailable", detail)
    stage.open(new_job_id())
    return detail


def image_unavailable(stage: Stage) -> str:
    job_id = stage.complete()
    image = stage.service.get(f"/v1/explanations/{job_id}").json()["image_id"]
    stage.delete("images/", image)
    stage.open(job_id)
    return "tiger cat"


def map_unavailable(stage: Stage) -> str:
    job_id = stage.complete()
    stage.delete("results/", job_id)
    stage.open(job_id)
    return "The map is not available"


def gallery(stage: Stage) -> str:
    stage.complete(label=HOSTILE)
    stage.page.goto(f"{stage.service.url}/#/?sort=newest")
    return HOSTILE


def no_match(stage: Stage) -> str:
    stage.complete()
    stage.page.goto(f"{stage.service.url}/#/?q=zebra")
    return "No explanation matches"


def comparison(stage: Stage) -> str:
    ids = [stage.complete(label=HOSTILE), stage.complete(label="lynx")]
    stage.page.goto(f"{stage.service.url}/#/c/{','.join(ids)}")
    return HOSTILE


def comparison_with_a_missing_side(stage: Stage) -> str:
    stage.page.goto(f"{stage.service.url}/#/c/{stage.complete()},{new_job_id()}")
    return "There is no explanation with this id"


def submission(stage: Stage) -> str:
    stage.page.goto(f"{stage.service.url}/#/new")
    expect(stage.page.get_by_label("Model")).to_have_value("efficientnet-lite0")
    return "Drop photos here"


@pytest.mark.parametrize(
    "bring",
    [
        loading,
        queued,
        queued_without_a_worker,
        running,
        explained,
        worse_than_chance,
        all_negative,
        not_finite,
        hostile_label,
        failed,
        cancelled,
        too_late,
        deleted,
        not_found,
        no_such_page,
        offline,
        out_of_order,
        image_unavailable,
        map_unavailable,
        gallery,
        no_match,
        comparison,
        comparison_with_a_missing_side,
        submission,
    ],
    ids=lambda bring: bring.__name__.replace("_", " "),
)
def test_a_state_is_said_in_words_and_shuts_nobody_out(
    stage: Stage, bring: Callable[[Stage], str]
) -> None:
    words = bring(stage)
    expect(stage.page.locator("main")).to_contain_text(words)
    assert stage.page.locator("img[src=x]").count() == 0
    check_page(stage.page, bring.__name__.replace("_", "-"))


def test_a_page_without_a_key_asks_for_one_and_goes_on_with_it(
    guarded: GuardedApi, page: Page, watch: Watch
) -> None:
    watch.failures_expected = True
    page.goto(guarded.url)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("This service asks for a key")
    check_page(page, "unauthorized")
    page.get_by_label("API key").fill("seewhy_wrong")
    page.get_by_role("button", name="Use the key").click()
    expect(page.get_by_label("API key")).to_have_value("")
    page.get_by_label("API key").fill(guarded.key)
    page.get_by_role("button", name="Use the key").click()
    expect(heading).to_have_text("No explanations yet")
    check_page(page, "empty-gallery")
    assert guarded.key not in page.url
    page.reload()
    expect(heading).to_have_text("No explanations yet")


def test_the_page_goes_on_by_itself_when_the_service_answers_again(stage: Stage) -> None:
    job_id = stage.complete()
    offline(stage)
    stage.page.evaluate("id => { location.hash = `#/e/${id}` }", job_id)
    expect(stage.page.locator("[data-state=offline]")).to_be_visible()
    stage.page.context.set_offline(False)
    expect(stage.page.get_by_role("heading", level=1)).to_have_text("tiger cat")


def test_an_explanation_is_readable_in_forced_colors(stage: Stage) -> None:
    stage.page.emulate_media(forced_colors="active", color_scheme="dark")
    explained(stage)
    expect(stage.page.locator(".controls")).to_be_visible()
    save_screenshot(stage.page, "explained-forced-colors")


def test_a_string_never_becomes_html(service: ExplainingService, browser: Browser) -> None:
    watch = Watch()
    with opened_page(browser, watch) as page:
        page.goto(service.url)
        with pytest.raises(PlaywrightError, match="TrustedHTML"):
            page.evaluate("document.body.innerHTML = '<p>text'")
        assert page.locator("main").count() == 1
    assert watch.violations[0].startswith("require-trusted-types-for")


def test_nothing_moves_for_who_does_not_want_that(stage: Stage) -> None:
    stage.page.emulate_media(reduced_motion="reduce")
    running(stage)
    expect(stage.page.get_by_role("heading", level=1)).to_have_text("Explaining")
    assert (
        stage.page.evaluate(
            "document.getAnimations().filter(({ playState }) => playState === 'running').length"
        )
        == 0
    )
