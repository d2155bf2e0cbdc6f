"""The checker accepts a clean history and reports every kind of anomaly, each forged."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.checker import Anomaly, History, Report, check
from faults.sampler import Sample, make_sample
from faults.submitter import Submission
from seewhy.ledger.types import JobCounts, JobEvent, JobRecord
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.storage.obstore_adapter import memory_store

IDS = ("a", "b", "c")
MAX_ATTEMPTS = 3


def result_of(job_id: str, body: bytes) -> Result:
    score = ClassScore(index=0, label="0", logit=0.0, probability=1.0)
    return Result(
        model="m",
        model_digest="d",
        method="gradcam",
        layer="l",
        linear=True,
        targets=(TargetResult(score=score, verdict=Verdict.OK, minimum=0.0, maximum=1.0),),
        top=(score,),
        map_height=1,
        map_width=1,
        covers=Rectangle(x=0, y=0, width=1, height=1),
        image_width_px=1,
        image_height_px=1,
        objects={"map": f"results/{job_id}/1/map.npy", "result": f"results/{job_id}/1/result.json"},
        digests={"map": hashlib.sha256(body).hexdigest()},
        timings_ms={},
        versions={},
    )


def clean_history() -> History:
    """Return a history of three succeeded jobs."""
    store = memory_store()
    records, events = {}, []
    for job_id in IDS:
        body = f"map of {job_id}".encode()
        result = result_of(job_id, body)
        store.put(result.objects["map"], body, content_type="application/octet-stream")
        whole = f'{{"job_id": "{job_id}"}}'.encode()
        store.put(result.objects["result"], whole, content_type="application/json")
        records[job_id] = JobRecord(
            job_id=job_id,
            state=JobState.SUCCEEDED,
            lane="m:batch",
            job="",
            submitted_ms=1,
            started_ms=1,
            attempts=1,
            fence=1,
            result=result.model_dump_json(),
        )
        events += [
            JobEvent("1", job_id, JobState.RUNNING),
            JobEvent("2", job_id, JobState.SUCCEEDED),
        ]
    return History(
        submissions=[Submission(job_id, f"key {job_id}", f"image {job_id}") for job_id in IDS],
        keys=[f"key {job_id}" for job_id in IDS],
        records=records,
        key_of={job_id: f"key {job_id}" for job_id in IDS},
        events=events,
        counts=JobCounts(accepted=3, non_terminal=0, terminal={JobState.SUCCEEDED: 3}),
        samples=[
            Sample({"a": "running"}, frozenset(), 0),
            Sample({"a": "succeeded"}, frozenset(), 0),
        ],
        fetch=store.get,
        max_attempts=MAX_ATTEMPTS,
        max_exposed_crashes=MAX_ATTEMPTS - 1,
        map_of={f"image {i}": hashlib.sha256(f"map of {i}".encode()).hexdigest() for i in IDS},
    )


def with_record(history: History, job_id: str, **changes: Any) -> History:
    changed = replace(history.records[job_id], **changes)
    return replace(history, records={**history.records, job_id: changed})


def without_record(history: History, job_id: str) -> History:
    return replace(
        history,
        records={known: record for known, record in history.records.items() if known != job_id},
        events=[event for event in history.events if event.job_id != job_id],
    )


def with_extra_job(history: History, key: str | None) -> History:
    extra = replace(history.records["a"], job_id="x", state=JobState.CANCELLED, result=None)
    return replace(
        history,
        records={**history.records, "x": extra},
        key_of={**history.key_of, "x": key},
        events=[*history.events, JobEvent("9", "x", JobState.CANCELLED)],
    )


def failed(history: History, code: str, attempts: int) -> History:
    events = [JobEvent("2", "a", JobState.FAILED) if e.job_id == "a" else e for e in history.events]
    changes = {"state": JobState.FAILED, "error_code": code, "attempts": attempts, "result": None}
    return replace(with_record(history, "a", **changes), events=events[1:])


def with_evidence(history: History) -> History:
    return with_record(history, "a", crashes=MAX_ATTEMPTS, exposed_crashes=MAX_ATTEMPTS - 1)


def expecting(history: History, code: str) -> History:
    return replace(history, expected_failures={"key a": code})


def with_samples(history: History, *taken: tuple[dict[str, str], bool]) -> History:
    samples = [Sample(states, frozenset(), 0, is_complete) for states, is_complete in taken]
    return replace(history, samples=[*history.samples, *samples])


def with_event(history: History, event: JobEvent) -> History:
    return replace(history, events=[*history.events, event])


def with_submission(history: History, submission: Submission) -> History:
    return replace(history, submissions=[*history.submissions, submission])


def anomalies(report: Report) -> set[Anomaly]:
    return {violation.anomaly for violation in report.violations}


def test_a_clean_history_has_no_violations() -> None:
    report = check(clean_history())
    assert report.clean, str(report)
    assert (report.accepted, report.outcomes, report.samples) == (3, {JobState.SUCCEEDED: 3}, 2)
    assert str(report) == "3 accepted: 3 succeeded"


TWO_QUEUED = ({"x": "queued", "y": "queued"}, {"x", "y"}, {"accepted": 2}, {"lane": 2})
FORGERIES: list[tuple[Anomaly, Callable[[History], History]]] = [
    (Anomaly.LOST, lambda h: without_record(h, "a")),
    (Anomaly.LOST, lambda h: with_record(h, "a", state=JobState.RUNNING)),
    (Anomaly.LOST, lambda h: with_record(h, "a", state=JobState.QUEUED)),
    (Anomaly.DUPLICATED, lambda h: replace(h, events=[*h.events, h.events[-1]])),
    (
        Anomaly.DUPLICATED,
        lambda h: replace(h, events=[*h.events, JobEvent("9", "a", JobState.FAILED)]),
    ),
    (Anomaly.NO_TERMINAL_EVENT, lambda h: replace(h, events=h.events[:-1])),
    (
        Anomaly.CHANGED,
        lambda h: replace(h, events=[*h.events[:-1], JobEvent("9", "c", JobState.EXPIRED)]),
    ),
    (Anomaly.CHANGED, lambda h: replace(h, samples=h.samples[::-1])),
    (Anomaly.CHANGED, lambda h: replace(h, samples=[*h.samples, Sample({}, frozenset(), 0)])),
    (Anomaly.CHANGED, lambda h: with_samples(h, ({"a": "queued"}, False))),
    (Anomaly.CHANGED, lambda h: with_samples(h, ({}, False), ({}, True))),
    (Anomaly.CHANGED, lambda h: with_samples(h, ({}, False), ({"a": "failed"}, True))),
    (Anomaly.UNKNOWN_JOB, lambda h: with_extra_job(h, None)),
    (Anomaly.UNKNOWN_JOB, lambda h: with_extra_job(h, "a key that was never sent")),
    (
        Anomaly.UNKNOWN_JOB,
        lambda h: replace(h, events=[*h.events, JobEvent("9", "x", JobState.FAILED)]),
    ),
    (Anomaly.KEY_REUSED, lambda h: with_extra_job(h, "key a")),
    (
        Anomaly.KEY_REUSED,
        lambda h: replace(h, submissions=[*h.submissions, Submission("b", "key a", "image b")]),
    ),
    (Anomaly.TOO_MANY_ATTEMPTS, lambda h: with_record(h, "a", attempts=MAX_ATTEMPTS + 1)),
    (
        Anomaly.TOO_MANY_ATTEMPTS,
        lambda h: with_record(h, "a", attempts=9, crashes=8, exposed_crashes=MAX_ATTEMPTS),
    ),
    (Anomaly.UNCHARGED, lambda h: with_record(h, "a", crashes=1)),
    (Anomaly.INNOCENT, lambda h: with_evidence(failed(h, "worker_lost", MAX_ATTEMPTS))),
    (Anomaly.FAILED_EARLY, lambda h: failed(h, "store_unavailable", MAX_ATTEMPTS - 1)),
    (
        Anomaly.FAILED_EARLY,
        lambda h: with_record(failed(h, "out_of_memory", MAX_ATTEMPTS), "a", crashes=1),
    ),
    (Anomaly.FAILED_EARLY, lambda h: failed(h, "explainer_failed", MAX_ATTEMPTS)),
    (Anomaly.FAILED_EARLY, lambda h: expecting(failed(h, "explainer_failed", 1), "worker_lost")),
    (Anomaly.FAILED_EARLY, lambda h: expecting(failed(h, "worker_lost", 1), "worker_lost")),
    (Anomaly.UNEXPECTED_SUCCESS, lambda h: expecting(h, "worker_lost")),
    (Anomaly.STALE_FENCE, lambda h: with_record(h, "a", fence=2)),
    (Anomaly.BAD_RESULT, lambda h: with_record(h, "a", result=None)),
    (Anomaly.BAD_RESULT, lambda h: replace(h, fetch=memory_store().get)),
    (Anomaly.BAD_RESULT, lambda h: replace(h, fetch=lambda key: h.fetch(key) + b" ")),
    (
        Anomaly.BAD_RESULT,
        lambda h: replace(h, fetch=lambda key: h.fetch(key.replace("/b/1/result", "/a/1/result"))),
    ),
    (Anomaly.WRONG_IMAGE, lambda h: replace(h, map_of={"image b": "0" * 64})),
    (Anomaly.NOT_DUE, lambda h: replace(h, samples=[Sample({"a": "queued"}, frozenset("a"), 0)])),
    (Anomaly.DRIFT, lambda h: replace(h, samples=[Sample({}, frozenset(), 1)])),
    (Anomaly.MISCOUNTED, lambda h: replace(h, samples=[make_sample({}, set(), {}, {"lane": 1})])),
    (
        Anomaly.QUEUE_OVER_LIMIT,
        lambda h: replace(h, samples=[make_sample(*TWO_QUEUED)], queue_limit=1),
    ),
    (Anomaly.DRIFT, lambda h: replace(h, counts=JobCounts(accepted=4, non_terminal=0))),
]


@pytest.mark.parametrize(
    ("anomaly", "forge"), FORGERIES, ids=[f"{n}-{a.name}" for n, (a, _) in enumerate(FORGERIES)]
)
def test_a_forged_history_is_reported(
    anomaly: Anomaly, forge: Callable[[History], History]
) -> None:
    report = check(forge(clean_history()))
    assert anomaly in anomalies(report), str(report)
    assert not report.clean
    assert report.count(anomaly) >= 1
    assert anomaly in str(report)


def test_every_anomaly_has_a_forgery() -> None:
    assert {anomaly for anomaly, _ in FORGERIES} == set(Anomaly)


def test_a_job_may_fail_on_its_last_attempt() -> None:
    report = check(failed(clean_history(), "store_unavailable", MAX_ATTEMPTS))
    assert report.clean, str(report)
    assert report.outcomes == {JobState.FAILED: 1, JobState.SUCCEEDED: 2}


def test_a_job_may_fail_when_it_killed_its_workers() -> None:
    history = expecting(failed(clean_history(), "worker_lost", MAX_ATTEMPTS), "worker_lost")
    assert check(with_evidence(history)).clean


def test_a_poison_job_may_fail_on_its_first_attempt() -> None:
    history = expecting(failed(clean_history(), "explainer_failed", 1), "explainer_failed")
    assert check(history).clean


def test_a_success_restored_from_the_store_may_have_a_new_fence() -> None:
    assert check(with_record(clean_history(), "a", fence=1_700_000_000_000, started_ms=None)).clean


def test_an_outcome_may_be_missing_while_a_lost_ledger_is_rebuilt() -> None:
    assert check(with_samples(clean_history(), ({}, False), ({"a": "succeeded"}, True))).clean


def test_a_job_whose_response_was_lost_is_not_unknown() -> None:
    history = with_extra_job(clean_history(), "key x")
    assert check(replace(history, keys=[*history.keys, "key x"])).clean


states = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(sorted(JobState)))


@given(states, st.sets(st.sampled_from("abcdef")), st.integers(0, 9))
def test_a_sample_reports_open_jobs_that_are_not_due(
    seen: dict[str, JobState], due: set[str], missing: int
) -> None:
    totals = {str(state): list(seen.values()).count(state) for state in JobState if state.terminal}
    ended = sum(totals.values())
    totals["accepted"] = ended + len(due) + missing
    sample = make_sample(seen, due, totals, {"one": len(due), "other": missing})
    assert sample.not_due == {j for j, s in seen.items() if not s.terminal and j not in due}
    assert sample.drift == sample.miscounted == missing
