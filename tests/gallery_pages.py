"""Answers of the service with many summaries, for pages of the gallery."""

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

from images import encoded, gradient
from seewhy.ids import new_job_id
from seewhy.schemas.job import JobState
from seewhy.schemas.result import ClassScore, Verdict
from seewhy.schemas.suspicion import Suspicion, SuspicionPart, SuspicionReason
from seewhy_api.http.summaries import Summaries, Summary

LABELS = ("tabby", "espresso", "rocket")
START_MS = 1_800_000_000_000
IMAGE = encoded(gradient(120, 90), "PNG")


def summary(number: int, *, verdict: Verdict = Verdict.OK, label: str | None = None) -> Summary:
    """Return the summary of a success; the suspicion falls with the number."""
    score = ClassScore(
        index=number % 3,
        label=label or LABELS[number % 3],
        logit=1.0,
        probability=0.9,
    )
    share = 1 - number / 2_000
    words = f"Reason {number}"
    part = SuspicionPart(reason=SuspicionReason.BORDER, score=share, value=0.9, words=words)
    return Summary(
        id=new_job_id(now_ms=lambda: START_MS + number),
        key=f"photo-{number}.jpg",
        status=JobState.SUCCEEDED,
        model="efficientnet-lite0",
        method="gradcam",
        submitted_at=None,
        error=None,
        target=score,
        answer=score,
        margin=number / 10_000,
        verdict=verdict,
        trust=None,
        suspicion=Suspicion(score=share, parts=(part,)),
    )


def answer_list(page: Page, path: str, summaries: Sequence[Summary]) -> None:
    """Answer a list of one page, and its images."""
    body = Summaries(summaries=tuple(summaries), next=None).model_dump_json()
    page.route(
        f"**/{path}/summaries?*",
        lambda route: route.fulfill(body=body, content_type="application/json"),
    )
    _answer_images(page)


def answer_summaries(page: Page, summaries: Sequence[Summary]) -> None:
    """Answer the lists of a service with these summaries, given from the oldest to the newest."""
    newest = sorted(summaries, key=lambda one: one.id, reverse=True)

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        before = query.get("before", ["g"])[0]
        limit = int(query["limit"][0])
        later = [one for one in newest if one.id < before]
        listed = later[:limit]
        following = listed[-1].id if len(later) > limit else None
        body = Summaries(summaries=tuple(listed), next=following).model_dump_json()
        route.fulfill(body=body, content_type="application/json")

    page.route("**/v1/summaries?*", answer)
    _answer_images(page)


def _answer_images(page: Page) -> None:
    page.route(
        "**/overlay?*",
        lambda route: route.fulfill(body=IMAGE, content_type="image/png"),
    )


def shown_ids(page: Page) -> list[str]:
    """Return the ids of the explanations whose tiles exist, in order."""
    links = "[...document.querySelectorAll('.tiles a')].map((link) => link.hash.slice(4))"
    ids: list[str] = page.evaluate(links)
    return ids
