"""Accounts, objectives and the exit status of a load test."""

import math
from collections.abc import Mapping, Sequence

import pytest

from seewhy_loadtest.exit_status import ExitStatus, exit_status
from seewhy_loadtest.generation.schedules import ScheduleKind, Step, make_schedule
from seewhy_loadtest.generation.submission import GeneratorUse, Submission
from seewhy_loadtest.measures.summary import StageSummary, summarize
from seewhy_loadtest.report.content import Results, report
from seewhy_loadtest.report.document import stage_document
from seewhy_loadtest.report.html import html
from seewhy_loadtest.report.markdown import markdown
from seewhy_loadtest.stages.options import LoadOptions, Objective, parse_steps
from seewhy_loadtest.stages.record import LOST, Ending, StageRecord

COUNT = 100
OBJECTIVES = (Objective.parse("p95=500ms"),)
HEADER = {"command": "seewhy load --request '<b>'", "seewhy": "1"}


def accepted(index: int, **changes: object) -> Submission:
    fields: dict[str, object] = {
        "index": index,
        "intended_s": index / 10,
        "sent_s": index / 10 + 0.001,
        "answered_s": index / 10 + 0.005,
        "status": 202,
        "job_id": str(index),
    }
    return Submission(**{**fields, **changes})  # type: ignore[arg-type]


def ended(index: int, state: str = "succeeded", *, after_s: float = 0.2) -> Ending:
    at_s = 1000 + index / 10
    times = (at_s + 0.003, at_s + 0.05, at_s + after_s)
    return Ending(state, *times, timings_ms={"explain": 20.0 + index // 2})


def record(submissions: Sequence[Submission], endings: dict[str, Ending]) -> StageRecord:
    return StageRecord(
        schedule=make_schedule(ScheduleKind.CONSTANT, [Step(10, COUNT / 10)], seed=1),
        started_at_s=1000.0,
        submissions=submissions,
        endings=endings,
        generators=[GeneratorUse(cpu_s=0.1, wall_s=10.0)],
        drained_s=11.0,
        completion_requests=3,
    )


def summary_of(
    submissions: dict[int, Submission] | None = None,
    endings: dict[int, Ending | None] | None = None,
) -> StageSummary:
    sent = {n: accepted(n) for n in range(COUNT)} | (submissions or {})
    known = {n: ended(n) for n in range(COUNT) if sent[n].job_id} | (endings or {})
    return summarize(record_of(sent, known), OBJECTIVES)


def record_of(sent: Mapping[int, Submission], known: Mapping[int, Ending | None]) -> StageRecord:
    return record(list(sent.values()), {str(n): each for n, each in known.items() if each})


def shown(summary: StageSummary, problems: Sequence[str] = ()) -> str:
    """Return the Markdown of a report, and check that its HTML says the same."""
    stage = (record([], {}), summary)
    blocks = report(Results(header=HEADER, stages=[stage], problems=problems))
    page = html(blocks)
    assert all(problem in page for problem in problems)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    return markdown(blocks)


def test_latency_counts_from_the_intended_time_not_from_the_sending() -> None:
    late = {n: accepted(n, sent_s=n / 10 + 0.15, answered_s=n / 10 + 0.16) for n in range(COUNT)}
    endings: dict[int, Ending | None] = {n: ended(n, after_s=0.3) for n in range(COUNT)}
    summary = summary_of(late, endings)
    assert summary.latencies["end_to_end"][0].value == pytest.approx(0.3, abs=0.16)
    assert summary.latencies["submit"][0].value == pytest.approx(0.16)
    assert summary.self_check.pacing_p99_s == pytest.approx(0.15)
    assert "150.0 ms late" in summary.self_check.problems[0]


def test_a_run_in_which_all_went_well_exits_with_0() -> None:
    summary = summary_of()
    assert exit_status([summary]) == (ExitStatus.OK, ())
    assert summary.mean_batch == 2.0
    assert summary.goodput_per_s == 10.0
    assert summary.latencies["end_to_end"][1].value == pytest.approx(0.2, abs=1e-6)
    assert summary.latencies["queue_wait"][1].value == pytest.approx(0.047, abs=1e-6)


@pytest.mark.parametrize(
    ("submissions", "endings", "status", "problem"),
    [
        ({}, {7: Ending(LOST)}, ExitStatus.JOBS_LOST, "1 accepted jobs are unknown"),
        ({}, {7: None}, ExitStatus.JOBS_LOST, "1 accepted jobs had not ended"),
        ({7: accepted(7, job_id="8")}, {}, ExitStatus.JOBS_LOST, "job of another request"),
        ({7: Submission(7, 0.7, None)}, {}, ExitStatus.UNSENT, "1 requests got no answer"),
        ({7: Submission(7, 0.7, 0.7)}, {}, ExitStatus.UNSENT, "1 requests got no answer"),
        (
            {n: accepted(n, status=429, code="queue_full", job_id="") for n in range(6)},
            {},
            ExitStatus.OBJECTIVE_MISSED,
            "p95 ≤ 0.5 s is not met",
        ),
        (
            {},
            {n: ended(n, after_s=0.6) for n in range(6)},
            ExitStatus.OBJECTIVE_MISSED,
            "p95 ≤ 0.5 s is not met",
        ),
    ],
)
def test_the_exit_status_names_what_went_wrong(
    submissions: dict[int, Submission],
    endings: dict[int, Ending | None],
    status: ExitStatus,
    problem: str,
) -> None:
    summary = summary_of(submissions, endings)
    found, problems = exit_status([summary_of(), summary])
    assert found is status
    assert any(problem in text for text in problems)
    assert summary.accounts.balance == 0
    assert problem in shown(summary, problems)


def test_the_worst_status_counts() -> None:
    summary = summary_of({1: Submission(1, 0.1, None)}, {7: Ending(LOST)})
    assert exit_status([summary])[0] is ExitStatus.JOBS_LOST


def test_too_few_arrivals_meet_no_objective() -> None:
    few = record([accepted(n) for n in range(89)], {str(n): ended(n) for n in range(89)})
    summary = summarize(few, OBJECTIVES)
    assert not summary.objectives_met
    assert "a bound needs 90 arrivals" in shown(summary)


def test_arrivals_without_success_count_as_infinitely_late() -> None:
    refused = {n: accepted(n, status=503, code="queue_full", job_id="") for n in range(2)}
    found = summary_of(refused).latencies["end_to_end"]
    assert [each.value for each in found] == [pytest.approx(0.2), pytest.approx(0.2), math.inf]
    document = stage_document(record([], {}), summary_of(refused))
    assert document["latencies"]["end_to_end"][2]["value_s"] is None
    assert document["accounts"]["refused"] == {"queue_full": 2}


@pytest.mark.parametrize(
    ("text", "share", "limit_s"),
    [("p95=2s", 0.95, 2), ("p99.9=750ms", 0.999, 0.75), (" p50=1.5s ", 0.5, 1.5)],
)
def test_objectives_are_parsed(text: str, share: float, limit_s: float) -> None:
    found = Objective.parse(text)
    assert found.share == pytest.approx(share)
    assert found.limit_s == limit_s


@pytest.mark.parametrize("text", ["", "95=2s", "p95=2", "p0=2s", "p95=0s", "p100=1s", "p95<2s"])
def test_a_wrong_objective_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="p95=2s"):
        Objective.parse(text)


@pytest.mark.parametrize("text", ["", "5", "5x", "0x5", "5x0", "5x5,", "5:5", "axb"])
def test_wrong_steps_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="25x20"):
        parse_steps(text)


def test_results_are_never_taken_from_the_cache_unless_asked() -> None:
    assert LoadOptions(model="m").sent_request == {"cache": False, "model": "m"}
    assert LoadOptions(request={"cache": True}).sent_request == {"cache": True}
