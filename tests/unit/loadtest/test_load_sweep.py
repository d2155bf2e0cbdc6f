"""Sweeps: the saturated rate, the knee, latency-bounded throughput, and recovery from a burst."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from seewhy_loadtest.exit_status import ExitStatus, exit_status
from seewhy_loadtest.generation.schedules import ScheduleKind, Step, make_schedule
from seewhy_loadtest.generation.submission import GeneratorUse, Submission
from seewhy_loadtest.measures.recovery import recovery
from seewhy_loadtest.measures.saturation import knee, latency_bounded, saturated_rate
from seewhy_loadtest.measures.summary import StageSummary, summarize
from seewhy_loadtest.report.charts import Chart, Line, svg
from seewhy_loadtest.report.content import conclusions
from seewhy_loadtest.report.figures import stage_charts, sweep_charts
from seewhy_loadtest.stages.options import Objective, Rate, parse_rates
from seewhy_loadtest.stages.record import Ending, StageRecord

CAPACITY_PER_S = 20.0
SERVICE_S = 0.05


def served(*steps: Step, kind: ScheduleKind = ScheduleKind.CONSTANT) -> StageRecord:
    """Return the record of a server that takes 50 ms for each job, one after another."""
    schedule = make_schedule(kind, steps, seed=1)
    submissions, endings, free_at_s = [], {}, 0.0
    for index, at_s in enumerate(schedule.arrivals_s.tolist()):
        free_at_s = max(free_at_s, at_s) + SERVICE_S
        submissions.append(Submission(index, at_s, at_s, at_s + 0.001, 202, "", str(index)))
        times = (1000 + at_s, 1000 + free_at_s - SERVICE_S, 1000 + free_at_s)
        endings[str(index)] = Ending("succeeded", *times, timings_ms={"explain": float(index)})
    return StageRecord(
        schedule=schedule,
        started_at_s=1000.0,
        submissions=submissions,
        endings=endings,
        generators=[GeneratorUse(cpu_s=0.1, wall_s=10.0)],
        drained_s=free_at_s,
        completion_requests=1,
    )


def stages(*rates_per_s: float) -> list[StageSummary]:
    objectives = (Objective.parse("p90=500ms"),)
    return [
        summarize(served(Step(rate, 30), kind=ScheduleKind.POISSON), objectives)
        for rate in rates_per_s
    ]


@pytest.mark.parametrize(("rate_per_s", "duration_s"), [(60, 10), (500, 0.128), (25, 40)])
def test_the_saturated_rate_is_that_of_the_server(rate_per_s: float, duration_s: float) -> None:
    record = served(Step(rate_per_s, duration_s))
    assert saturated_rate(record) == pytest.approx(CAPACITY_PER_S, rel=0.03)


def test_one_batch_has_a_rate_and_no_job_has_none() -> None:
    record = served(Step(500, 0.128))
    at_once = {
        job_id: replace(ending, finished_at_s=1001.6) for job_id, ending in record.endings.items()
    }
    assert saturated_rate(replace(record, endings=at_once)) == pytest.approx(40, rel=0.01)
    assert saturated_rate(replace(record, endings={})) == 0


def test_latency_bounded_throughput_is_the_highest_rate_that_meets_the_objectives() -> None:
    swept = stages(4, 10, 14, 24)
    best = latency_bounded(swept)
    assert best is not None
    assert best.offered_per_s == 14
    found = " ".join(conclusions(swept, CAPACITY_PER_S))
    assert "Saturated, with a backlog: **20.0 jobs/s**" in found
    assert "(p90 ≤ 0.5 s): **14.0/s**, 70% of it" in found


def test_a_saturated_rate_that_a_stage_exceeds_is_named() -> None:
    found = " ".join(conclusions(stages(4, 14), saturated_per_s=10.0))
    assert "the saturated rate is too low" in found
    assert "too low" not in " ".join(conclusions(stages(4), saturated_per_s=10.0))


def test_the_knee_is_before_the_rate_at_which_latency_explodes() -> None:
    found = knee(stages(2, 8, 12, 19, 24))
    assert found is not None
    assert found.offered_per_s in {8, 12}


def test_a_sweep_misses_an_objective_only_if_every_rate_does() -> None:
    assert exit_status(stages(10, 24), sweep=True) == (ExitStatus.OK, ())
    assert exit_status(stages(10, 24))[0] is ExitStatus.OBJECTIVE_MISSED
    status, problems = exit_status(stages(24), sweep=True)
    assert (status, problems) == (ExitStatus.OBJECTIVE_MISSED, ("no rate meets the objectives",))


def test_a_late_generator_fails_a_self_check_only() -> None:
    record = served(Step(10, 10))
    late = [replace(each, sent_s=each.intended_s + 0.2) for each in record.submissions]
    summary = summarize(replace(record, submissions=late))
    assert exit_status([summary])[0] is ExitStatus.OK
    assert exit_status([summary], self_check=True)[0] is ExitStatus.GENERATOR_FAILED


def test_a_burst_is_recovered_from_as_fast_as_the_spare_rate_allows() -> None:
    record = served(Step(10, 10), Step(30, 10), Step(10, 25))
    found = summarize(record).recovery
    assert found is not None
    assert found.saturated_per_s == pytest.approx(CAPACITY_PER_S, rel=0.02)
    assert found.predicted_s == pytest.approx(100 / 10, rel=0.03)
    assert found.measured_s == pytest.approx(found.predicted_s, rel=0.1)


def test_a_single_step_has_no_recovery() -> None:
    assert recovery(served(Step(10, 1)).schedule, np.array([0.0]), np.array([1.0])) is None


def test_rates_are_shares_or_numbers() -> None:
    assert parse_rates("50%,12.5") == (Rate(0.5, is_share=True), Rate(12.5, is_share=False))
    assert [rate.per_s(40.0) for rate in parse_rates("50%,12.5")] == [20, 12.5]


@pytest.mark.parametrize("text", ["", "0", "5,", "a", "50%%", "-5", "10 %"])
def test_wrong_rates_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="10%,50%,90%"):
        parse_rates(text)


@pytest.mark.parametrize("log_y", [False, True])
def test_a_chart_places_points_within_its_axes(log_y: bool) -> None:
    line = Line("a < b", [0, 5, 10, 7], [1, float("inf"), 100, 10], marked=True)
    drawn = ElementTree.fromstring(svg(Chart("t", "x", "y", [line], log_y=log_y)))  # noqa: S314
    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
        for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")
    ]
    assert len(dots) == 3  # what is infinite has none
    assert dots[0][0] == 62
    assert dots[1][0] == 418
    assert dots[0][1] > dots[2][1] > dots[1][1] >= 30


def test_every_chart_of_a_report_is_valid_even_without_jobs() -> None:
    record = served(Step(10, 5))
    empty = replace(record, endings={}, submissions=[])
    for each in (record, empty):
        for chart in stage_charts(each, summarize(each)):
            assert ElementTree.fromstring(svg(chart)).tag.endswith("svg")  # noqa: S314
    for chart in sweep_charts(stages(4, 10), saturated_per_s=CAPACITY_PER_S):
        assert ElementTree.fromstring(svg(chart)).tag.endswith("svg")  # noqa: S314
