"""How the command ends: the exit status of a load test, the worst thing that happened."""

from collections.abc import Sequence
from enum import IntEnum

from seewhy_loadtest.measures.summary import StageSummary

MAX_UNSENT_SHARE = 0.001


class ExitStatus(IntEnum):
    """1 and 2 are those of every command: an error, and a wrong argument."""

    OK = 0
    JOBS_LOST = 3
    UNSENT = 4
    OBJECTIVE_MISSED = 5


def exit_status(stages: Sequence[StageSummary]) -> tuple[ExitStatus, tuple[str, ...]]:
    """Return the status, and a sentence for each thing that is wrong."""
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
        found.extend(
            (ExitStatus.OBJECTIVE_MISSED, f"{result.objective} is not met {at}")
            for result in stage.objectives
            if not result.is_met
        )
    status = min((status for status, _ in found), default=ExitStatus.OK)
    return status, tuple(text for _, text in found)
