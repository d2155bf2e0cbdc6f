"""The judge lets a good history pass, and catches every kind of bad one."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.checker import History, Report, Wrong, check
from faults.sampler import Sample, sample_of
from faults.submitter import Promise
from seewhy.ledger.types import JobCounts, JobEvent, JobRecord
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.storage.obstore_adapter import memory_store

IDS = ("a", "b", "c")
CAP = 3


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


def good_history() -> History:
    """Three jobs, promised, done, and told."""
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
        promises=[Promise(job_id, f"key {job_id}", f"picture {job_id}") for job_id in IDS],
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
        max_attempts=CAP,
        map_of={f"picture {i}": hashlib.sha256(f"map of {i}".encode()).hexdigest() for i in IDS},
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


def with_stranger(history: History, key: str | None) -> History:
    stranger = replace(history.records["a"], job_id="x", state=JobState.CANCELLED, result=None)
    return replace(
        history,
        records={**history.records, "x": stranger},
        key_of={**history.key_of, "x": key},
        events=[*history.events, JobEvent("9", "x", JobState.CANCELLED)],
    )


def failed(history: History, code: str, attempts: int) -> History:
    told = [JobEvent("2", "a", JobState.FAILED) if e.job_id == "a" else e for e in history.events]
    changes = {"state": JobState.FAILED, "error_code": code, "attempts": attempts, "result": None}
    return replace(with_record(history, "a", **changes), events=told[1:])


def doomed(history: History, code: str) -> History:
    return replace(history, doomed={"key a": code})


def forgetful(history: History, *seen: tuple[dict[str, str], bool]) -> History:
    samples = [Sample(states, frozenset(), 0, whole) for states, whole in seen]
    return replace(history, samples=[*history.samples, *samples])


def found(report: Report) -> set[Wrong]:
    return {violation.wrong for violation in report.violations}


def test_a_good_history_is_clean() -> None:
    report = check(good_history())
    assert report.clean, str(report)
    assert (report.promised, report.outcomes, report.samples) == (3, {JobState.SUCCEEDED: 3}, 2)
    assert str(report) == "3 promised: 3 succeeded"


CROWD = ({"x": "queued", "y": "queued"}, {"x", "y"}, {"accepted": 2}, {"lane": 2})
FORGERIES: list[tuple[Wrong, Callable[[History], History]]] = [
    (Wrong.LOST, lambda h: without_record(h, "a")),
    (Wrong.LOST, lambda h: with_record(h, "a", state=JobState.RUNNING)),
    (Wrong.LOST, lambda h: with_record(h, "a", state=JobState.QUEUED)),
    (Wrong.DUPLICATED, lambda h: replace(h, events=[*h.events, h.events[-1]])),
    (
        Wrong.DUPLICATED,
        lambda h: replace(h, events=[*h.events, JobEvent("9", "a", JobState.FAILED)]),
    ),
    (Wrong.UNTOLD, lambda h: replace(h, events=h.events[:-1])),
    (
        Wrong.CHANGED,
        lambda h: replace(h, events=[*h.events[:-1], JobEvent("9", "c", JobState.EXPIRED)]),
    ),
    (Wrong.CHANGED, lambda h: replace(h, samples=h.samples[::-1])),
    (Wrong.CHANGED, lambda h: replace(h, samples=[*h.samples, Sample({}, frozenset(), 0)])),
    (Wrong.CHANGED, lambda h: forgetful(h, ({"a": "queued"}, False))),
    (Wrong.CHANGED, lambda h: forgetful(h, ({}, False), ({}, True))),
    (Wrong.CHANGED, lambda h: forgetful(h, ({}, False), ({"a": "failed"}, True))),
    (Wrong.PHANTOM, lambda h: with_stranger(h, None)),
    (Wrong.PHANTOM, lambda h: with_stranger(h, "a key nobody sent")),
    (Wrong.PHANTOM, lambda h: replace(h, events=[*h.events, JobEvent("9", "x", JobState.FAILED)])),
    (Wrong.SPLIT, lambda h: with_stranger(h, "key a")),
    (Wrong.SPLIT, lambda h: replace(h, promises=[*h.promises, Promise("b", "key a", "picture b")])),
    (Wrong.OVERRUN, lambda h: with_record(h, "a", attempts=CAP + 1)),
    (Wrong.GAVE_UP, lambda h: failed(h, "worker_lost", CAP - 1)),
    (Wrong.GAVE_UP, lambda h: failed(h, "explainer_failed", CAP)),
    (Wrong.GAVE_UP, lambda h: doomed(failed(h, "explainer_failed", 1), "worker_lost")),
    (Wrong.GAVE_UP, lambda h: doomed(failed(h, "worker_lost", 1), "worker_lost")),
    (Wrong.SPARED, lambda h: doomed(h, "worker_lost")),
    (Wrong.STALE, lambda h: with_record(h, "a", fence=2)),
    (Wrong.BAD_RESULT, lambda h: with_record(h, "a", result=None)),
    (Wrong.BAD_RESULT, lambda h: replace(h, fetch=memory_store().get)),
    (Wrong.BAD_RESULT, lambda h: replace(h, fetch=lambda key: h.fetch(key) + b" ")),
    (
        Wrong.BAD_RESULT,
        lambda h: replace(h, fetch=lambda key: h.fetch(key.replace("/b/1/result", "/a/1/result"))),
    ),
    (Wrong.WRONG_PICTURE, lambda h: replace(h, map_of={"picture b": "0" * 64})),
    (Wrong.UNWATCHED, lambda h: replace(h, samples=[Sample({"a": "queued"}, frozenset("a"), 0)])),
    (Wrong.DRIFT, lambda h: replace(h, samples=[Sample({}, frozenset(), 1)])),
    (Wrong.MISCOUNTED, lambda h: replace(h, samples=[sample_of({}, set(), {}, {"lane": 1})])),
    (Wrong.OVERFULL, lambda h: replace(h, samples=[sample_of(*CROWD)], queue_limit=1)),
    (Wrong.DRIFT, lambda h: replace(h, counts=JobCounts(accepted=4, non_terminal=0))),
]


@pytest.mark.parametrize(
    ("wrong", "forge"), FORGERIES, ids=[f"{n}-{w.name}" for n, (w, _) in enumerate(FORGERIES)]
)
def test_a_forged_history_is_caught(wrong: Wrong, forge: Callable[[History], History]) -> None:
    report = check(forge(good_history()))
    assert wrong in found(report), str(report)
    assert not report.clean
    assert report.count(wrong) >= 1
    assert wrong in str(report)


def test_every_kind_of_wrong_has_a_forgery() -> None:
    assert {wrong for wrong, _ in FORGERIES} == set(Wrong)


def test_a_job_may_fail_on_its_last_attempt() -> None:
    report = check(failed(good_history(), "worker_lost", CAP))
    assert report.clean, str(report)
    assert report.outcomes == {JobState.FAILED: 1, JobState.SUCCEEDED: 2}


def test_a_job_may_fail_of_its_own_picture_at_once() -> None:
    history = doomed(failed(good_history(), "explainer_failed", 1), "explainer_failed")
    assert check(history).clean


def test_a_success_that_was_brought_back_from_the_store_has_another_fence() -> None:
    assert check(with_record(good_history(), "a", fence=1_700_000_000_000, started_ms=None)).clean


def test_an_outcome_may_be_out_of_sight_while_a_lost_ledger_is_rebuilt() -> None:
    assert check(forgetful(good_history(), ({}, False), ({"a": "succeeded"}, True))).clean


def test_a_job_of_a_client_that_never_heard_back_is_no_phantom() -> None:
    history = with_stranger(good_history(), "key x")
    assert check(replace(history, keys=[*history.keys, "key x"])).clean


states = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(sorted(JobState)))


@given(states, st.sets(st.sampled_from("abcdef")), st.integers(0, 9))
def test_a_sample_names_every_open_job_that_is_not_due(
    seen: dict[str, JobState], due: set[str], forgotten: int
) -> None:
    books = {str(state): list(seen.values()).count(state) for state in JobState if state.terminal}
    ended = sum(books.values())
    books["accepted"] = ended + len(due) + forgotten
    sample = sample_of(seen, due, books, {"one": len(due), "other": forgotten})
    assert sample.unwatched == {j for j, s in seen.items() if not s.terminal and j not in due}
    assert sample.drift == sample.miscounted == forgotten
