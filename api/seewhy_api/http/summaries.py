"""Summaries of explanations: what a list shows and sorts by, without maps and timings."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from seewhy.imaging.suspicion import suspicion
from seewhy.ledger.types import JobRecord
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.job import JobState
from seewhy.schemas.result import ClassScore, Result, Verdict
from seewhy.schemas.suspicion import Suspicion
from seewhy_api.http.explanation_body import Reason, ResponseModel, Timestamp
from seewhy_api.http.serializers import format_time, serialize_error, serialize_summary


class Summary(ResponseModel):
    """What a list shows of an explanation; from `target` on, null until it has succeeded."""

    id: str
    key: str | None = Field(
        description="The key of the item of a batch, or the annotated task of a project."
    )
    status: JobState
    model: str
    method: str
    submitted_at: Timestamp | None
    error: Reason | None
    target: ClassScore | None = Field(description="The class of the first map.")
    answer: ClassScore | None = Field(description="The most probable class.")
    margin: float | None = Field(
        description="By how much it is more probable than the next one; null for a single class."
    )
    verdict: Verdict | None
    trust: float | None = Field(
        description="How many times better than a random map the first map is, if measured."
    )
    suspicion: Suspicion | None


class Summaries(ResponseModel):
    """A page of summaries."""

    summaries: tuple[Summary, ...]
    next: str | None = Field(description="Where the next page begins; null for the last page.")


def serialize_summaries(
    rows: Iterable[tuple[JobRecord, str | None]],
    *,
    following: str | None,
    agreements: Mapping[str, Agreement] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the view of jobs, each with the key of its item; `following` names the next page.

    `agreements` with annotations, by the ids of the jobs, count in the suspicion.
    """
    summaries = tuple(_summary(record, key, agreements.get(record.job_id)) for record, key in rows)
    return Summaries(summaries=summaries, next=following).model_dump(mode="json")


def _summary(record: JobRecord, key: str | None, agreement: Agreement | None) -> Summary:
    described = serialize_summary(record)
    result = Result.model_validate_json(record.result) if record.result else None
    first = result.targets[0] if result else None
    return Summary(
        id=record.job_id,
        key=key,
        status=record.state,
        model=described["model"],
        method=result.method if result else described["method"],
        submitted_at=format_time(record.submitted_ms),
        error=serialize_error(record),
        target=first and first.score,
        answer=result.top[0] if result and result.top else None,
        margin=_margin(result.top) if result else None,
        verdict=first and first.verdict,
        trust=first and first.trust and first.trust.times_better_than_chance,
        suspicion=result and suspicion(result, agreement=agreement),
    )


def _margin(top: tuple[ClassScore, ...]) -> float | None:
    best = [score.probability for score in top[:2] if score.probability is not None]
    return best[0] - best[1] if len(best) == 2 else None
