"""The pages for browsers without scripts: submit a photo, see what came of it."""

import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import MODEL, assert_problem, finish_next_job
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import Completion, JobFailure, lanes_of
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.schemas.trust_scores import TrustScores
from seewhy.schemas.words import VERDICTS, WORSE_THAN_CHANCE
from seewhy.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HOSTILE = "<img src=x onerror=alert(1)>"


class Document(HTMLParser):
    """The text of a page, and its elements with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def values(self, tag: str, name: str) -> list[str | None]:
        return [found[name] for element, found in self.elements if element == tag and name in found]


def send_photo(client: FlaskClient, image: bytes, **headers: str) -> TestResponse:
    form = {"image": (io.BytesIO(image), "a.jpg")}
    return client.post("/explanation", data=form, headers=BROWSER | headers)


def shown(response: TestResponse, status: int = 200) -> Document:
    """Check that a response is a page, and parse it."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "form-action 'self'" in policy
    page = response.get_data(as_text=True)
    assert not re.search(r"<script|\sstyle=|\son\w+=[\"']|Traceback", page)
    return Document(page)


def finish(settings: Settings, *, targets: list[TargetResult]) -> None:
    """Finish the next job with targets."""
    ledger = open_ledger(settings)
    (claim,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    result = Result(
        model=MODEL,
        model_digest="d",
        method="gradcam",
        layer="l",
        linear=True,
        targets=tuple(targets),
        top=tuple(target.score for target in targets),
        map_height=7,
        map_width=7,
        covers={"x": 0, "y": 0, "width": 300, "height": 300},
        image_width_px=451,
        image_height_px=300,
        objects={},
        digests={},
        timings_ms={},
        versions={},
    )
    assert ledger.complete([Completion(claim, result.model_dump_json())]).applied == [True]


def target(
    label: str, *, verdict: Verdict = Verdict.OK, trust: TrustScores | None = None, **fields: Any
) -> TargetResult:
    score = ClassScore(index=1, label=label, logit=-2.5, probability=0.0004)
    return TargetResult(score=score, verdict=verdict, minimum=-1, maximum=1, trust=trust, **fields)


def test_the_page_without_scripts_has_a_form_for_a_photo(client: FlaskClient) -> None:
    response = client.get("/")
    page = response.get_data(as_text=True)
    form = Document(re.findall(r"<noscript>(.*?)</noscript>", page, re.DOTALL)[0])
    assert form.values("form", "action") == ["explanation"]
    assert form.values("form", "enctype") == ["multipart/form-data"]
    assert form.values("input", "name") == ["image"]
    # Browsers send the origin "null" with the form where the policy is "no-referrer".
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_a_photo_leads_to_the_page_of_its_explanation(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    sent = send_photo(client, cat)
    assert sent.status_code == 303
    address = sent.headers["Location"]
    job_id = re.fullmatch(r"explanation/([0-9a-f-]{36})\?wait=5", address)
    assert job_id is not None
    finish_next_job(settings)
    page = shown(client.get(f"/{address}", headers=BROWSER))
    assert "Where the model sees evidence for tiger cat" in page.text
    assert "50 %" in page.text.replace("\u00a0", " ")
    api = f"../v1/explanations/{job_id[1]}"
    assert page.values("img", "src") == [f"{api}/overlay?size=1024"]
    assert {api, f"{api}/map.npy", f"{api}/overlay"} <= set(page.values("a", "href"))
    for link in (*page.values("a", "href"), *page.values("img", "src")):
        assert link is not None
        assert client.get(f"/explanation/{link}".replace("/explanation/..", "")).status_code == 200


def test_an_open_explanation_says_where_it_stands_and_offers_to_wait(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    address = send_photo(client, cat).headers["Location"].partition("?")[0]
    queued = shown(client.get(f"/{address}", headers=BROWSER))
    assert "The photo waits for a worker It is next." in queued.text
    assert "No worker serves the model" in queued.text
    assert "?wait=30" in queued.values("a", "href")
    assert queued.values("meta", "http-equiv") == []
    open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1)
    running = shown(client.get(f"/{address}", headers=BROWSER))
    assert "The photo is being explained" in running.text


def test_a_failed_explanation_says_why(client: FlaskClient, settings: Settings, cat: bytes) -> None:
    address = send_photo(client, cat).headers["Location"]
    ledger = open_ledger(settings)
    (claim,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    ledger.fail([JobFailure(claim, "explainer_failed", "The model gave no number.")])
    page = shown(client.get(f"/{address}", headers=BROWSER))
    assert "The photo could not be explained The model gave no number." in page.text
    assert page.values("img", "src") == []
    assert page.values("form", "action") == ["../explanation"]


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.OK])
def test_a_flagged_map_is_kept_back_with_the_reason(
    client: FlaskClient, settings: Settings, cat: bytes, verdict: Verdict
) -> None:
    address = send_photo(client, cat).headers["Location"]
    finish(settings, targets=[target("tabby", verdict=verdict)])
    page = shown(client.get(f"/{address}", headers=BROWSER))
    assert VERDICTS[verdict] in page.text
    assert [str(source).endswith("&alpha=0") for source in page.values("img", "src")] == [True]
    links = " ".join(str(link) for link in page.values("a", "href"))
    assert ("polarity=negative" in links) == (verdict is Verdict.ALL_NEGATIVE)


def test_a_map_that_is_worse_than_chance_is_flagged(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    address = send_photo(client, cat).headers["Location"]
    finish(settings, targets=[target("tabby", trust=TrustScores(times_better_than_chance=0.9))])
    page = shown(client.get(f"/{address}", headers=BROWSER))
    assert WORSE_THAN_CHANCE in page.text


def test_a_contrast_and_further_classes_are_named(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    rival = ClassScore(index=2, label="lynx", logit=1, probability=0.5)
    address = send_photo(client, cat).headers["Location"]
    finish(settings, targets=[target("tabby", rivals=(rival,)), target("tiger", against=True)])
    page = shown(client.get(f"/{address}", headers=BROWSER))
    assert "evidence for tabby and not lynx" in page.text
    assert "Maps of other classes tiger" in page.text
    assert page.text.count("< 0.1 %") == 2
    assert "\u22122.5" in page.text


def test_a_label_is_text_even_if_it_looks_like_html(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    address = send_photo(client, cat).headers["Location"]
    finish(settings, targets=[target(HOSTILE), target(HOSTILE)])
    response = client.get(f"/{address}", headers=BROWSER)
    page = response.get_data(as_text=True)
    assert HOSTILE not in page
    assert HOSTILE in unescape(page)
    assert [tag for tag, _ in shown(response).elements if tag == "img"] == ["img"]


@pytest.mark.parametrize(
    ("image", "status", "heading"),
    [
        (b"no image", 415, "The file is no photo that can be explained"),
        (b"", 422, "The photo cannot be explained"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_in_words(
    client: FlaskClient, image: bytes, status: int, heading: str
) -> None:
    page = shown(send_photo(client, image), status)
    assert heading in page.text
    assert page.values("form", "action") == ["explanation"]


def test_unknown_and_deleted_explanations_are_named(
    client: FlaskClient, settings: Settings
) -> None:
    created = datetime.now(UTC) - timedelta(seconds=settings.retention_s + 60)
    stamp = f"{int(created.timestamp() * 1000):012x}"
    deleted = f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"
    gone = shown(client.get(f"/explanation/{deleted}", headers=BROWSER), 410)
    assert "The explanation was deleted" in gone.text
    unknown = shown(client.get("/explanation/nonsense", headers=BROWSER), 404)
    assert "There is no such explanation" in unknown.text


def test_programs_get_problems_as_json(client: FlaskClient, cat: bytes) -> None:
    assert_problem(client.get("/explanation/nonsense"), 404, "unknown_explanation")
    refused = client.post("/explanation", json={"image_base64": "AA=="})
    assert_problem(refused, 422, "invalid_request")
    assert refused.headers["Vary"] == "Accept"


def test_a_form_of_another_site_is_refused(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    page = shown(send_photo(client, cat, Origin="https://evil.example"), 403)
    assert "The service does not allow this" in page.text
    assert open_ledger(settings).counts().accepted == 0


class TestKeys:
    """A service that requires keys."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        return {"auth": "keys"}

    def test_the_page_says_that_it_cannot_send_a_key(self, client: FlaskClient, cat: bytes) -> None:
        page = shown(send_photo(client, cat), 401)
        assert "The service asks for a key" in page.text
        assert "Allow scripts for this site" in page.text
