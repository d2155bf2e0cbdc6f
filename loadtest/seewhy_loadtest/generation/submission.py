"""What a generator process reports."""

from dataclasses import dataclass

ACCEPTED, REFUSED, UNANSWERED, UNSENT = "accepted", "refused", "unanswered", "unsent"


@dataclass(frozen=True, slots=True)
class Submission:
    """One arrival. Times are seconds since the start of its stage."""

    index: int
    intended_s: float
    sent_s: float | None
    """When its first attempt began; None if it was never sent."""
    answered_s: float | None = None
    status: int = 0
    """The HTTP status; 0 without an answer."""
    code: str = ""
    """The code of the problem, or why there was no answer."""
    job_id: str = ""
    attempts: int = 1

    @property
    def outcome(self) -> str:
        """Whether it was accepted, refused, never answered or never sent."""
        if self.sent_s is None:
            return UNSENT
        if self.answered_s is None:
            return UNANSWERED
        return ACCEPTED if self.job_id else REFUSED


@dataclass(frozen=True, slots=True)
class GeneratorUse:
    """What one generator process used while it sent."""

    cpu_s: float
    wall_s: float
