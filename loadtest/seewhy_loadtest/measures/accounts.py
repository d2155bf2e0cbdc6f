"""What became of every arrival, and whether anything is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seewhy_loadtest.generation.submission import REFUSED, UNANSWERED, UNSENT, Submission
from seewhy_loadtest.stages.record import LOST, Ending


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounts:
    """Counts of arrivals and of jobs."""

    arrivals: int
    unsent: int
    unanswered: int
    """Sent and repeated, but never answered: the service may have accepted it or not."""
    refused: Mapping[str, int]
    """Code of the problem → how many."""
    accepted: int
    succeeded: int
    failed: Mapping[str, int]
    """Code of the error → how many."""
    cancelled: int
    expired: int
    open: int
    """Not ended when the wait ended."""
    lost: int
    """Accepted, and later unknown to the service."""
    twice: int
    """Answers that name a job of another arrival."""
    repeated: int
    """Arrivals that were sent more than once."""

    @property
    def balance(self) -> int:
        """Accepted jobs minus those with a known fate: always 0."""
        ended = self.succeeded + sum(self.failed.values()) + self.cancelled + self.expired
        return self.accepted - ended - self.open - self.lost

    @property
    def unsent_share(self) -> float:
        """The share of arrivals that never got an answer of any kind."""
        return (self.unsent + self.unanswered) / max(1, self.arrivals)


def account(submissions: Sequence[Submission], endings: Mapping[str, Ending]) -> Accounts:
    """Count what became of the arrivals and of the jobs."""
    outcomes = Counter(each.outcome for each in submissions)
    ids = [each.job_id for each in submissions if each.job_id]
    jobs = set(ids)
    states = Counter(endings[job_id].state if job_id in endings else "open" for job_id in jobs)
    ended = [endings[job_id] for job_id in jobs if job_id in endings]
    errors = [ending.error for ending in ended if ending.state == "failed"]
    return Accounts(
        arrivals=len(submissions),
        unsent=outcomes[UNSENT],
        unanswered=outcomes[UNANSWERED],
        refused=dict(Counter(each.code for each in submissions if each.outcome == REFUSED)),
        accepted=len(jobs),
        succeeded=states["succeeded"],
        failed=dict(Counter(errors)),
        cancelled=states["cancelled"],
        expired=states["expired"],
        open=states["open"],
        lost=states[LOST],
        twice=len(ids) - len(jobs),
        repeated=sum(each.attempts > 1 for each in submissions),
    )
