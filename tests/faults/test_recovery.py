"""Recovery time after a fault."""

from faults.recovery import recovery_s
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState


def job_events(*events: tuple[int, str, JobState]) -> list[JobEvent]:
    return [JobEvent(f"{at_ms}-0", job_id, state) for at_ms, job_id, state in events]


def test_a_running_job_has_recovered_when_it_runs_again() -> None:
    events = job_events(
        (1_000, "a", JobState.RUNNING),
        (1_000, "b", JobState.RUNNING),
        (2_500, "b", JobState.SUCCEEDED),
        (4_000, "a", JobState.QUEUED),
        (5_000, "a", JobState.RUNNING),
        (9_000, "a", JobState.SUCCEEDED),
    )
    assert recovery_s(events, [2_000]) == 3.0
    assert recovery_s(events, [2_000, 3_000]) == 6.0, "no job ended between 3 and 9 s"
    assert recovery_s(events, [9_500]) == 0.0, "nothing happened afterwards"


def test_without_a_running_job_recovery_lasts_until_the_first_outcome() -> None:
    events = job_events((6_000, "a", JobState.RUNNING), (7_000, "a", JobState.SUCCEEDED))
    assert recovery_s(events, [2_000]) == 5.0
    assert recovery_s(events, []) == 0.0
