"""How the command ends: the exit status of a load test, the worst thing that happened."""

from collections.abc import Sequence
from enum import IntEnum

from seewhy_loadtest.measures.saturation import latency_bounded
from seewhy_loadtest.measures.summary import StageSummary

MAX_UNSENT_SHARE = 0.001


class ExitStatus(IntEnum):
    """1 and 2 are those of every command: an error, and a wrong argument."""

    OK = 0
    JOBS_LOST = 3
    UNSENT = 4
    OBJECTIVE_MISSED = 5
    GENERATOR_FAILED = 6


def exit_status(
    stages: Sequence[StageSummary], *, sweep: bool = False, self_check: bool = False
) -> tuple[ExitStatus, tuple[str, ...]]:
    """Return the status, and a sentence for each thing that is wrong.

    In a `sweep` one rate must meet the objectives; in a `self_check` the generator is judged.
    """
    found: list[tuple[ExitStatus, str]] = []
    for stage in stages:
        accounts, at = stage.accounts, f"at {stage.offered_per_s:g}/s"
        for count, what in (
            (accounts.lost, "accepted jobs are unknown to the service"),
            (accounts.twice, "answers name a job of another request"),
            (accounts.open, "accepted jobs had not ended when the wait ended"),
        ):
            if count:
                found.append((ExitStatus.JOBS_LOST, f"{count} {what} {at}"))
        if accounts.unsent_share > MAX_UNSENT_SHARE:
            missing = accounts.unsent + accounts.unanswered
            found.append((ExitStatus.UNSENT, f"{missing} requests got no answer {at}"))
        if self_check:
            problems = stage.self_check.problems
            found.extend((ExitStatus.GENERATOR_FAILED, f"{text} {at}") for text in problems)
        if not sweep:
            found.extend(
                (ExitStatus.OBJECTIVE_MISSED, f"{result.objective} is not met {at}")
                for result in stage.objectives
                if not result.is_met
            )
    if sweep and any(stage.objectives for stage in stages) and latency_bounded(stages) is None:
        found.append((ExitStatus.OBJECTIVE_MISSED, "no rate meets the objectives"))
    status = min((status for status, _ in found), default=ExitStatus.OK)
    return status, tuple(text for _, text in found)
