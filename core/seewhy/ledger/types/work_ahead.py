"""What a job waits for, in the units of `Submission.cost`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkAhead:
    """The work of a lane that must be done before a job has its outcome."""

    lane: str
    position: int | None
    """The jobs that run before it, plus one; None when it runs."""
    quarantined: bool
    """Whether it runs alone, so that it waits for a worker process without other jobs."""
    cost: int
    """What the job itself costs."""
    ahead: int = 0
    """What the ready jobs of the lane cost that run before it."""
    urgent: int = 0
    """What the ready jobs cost in the lane that goes before this one."""
    others: int = 0
    """What the jobs cost that share the device in turns: for a long job all open ones that are not
    long, for others the long ones that run."""
    running: int = 0
    """What the running jobs cost, with those of the lane that goes before; for a running job, those
    of its own lane that were claimed until then."""
    idle_ms: int = 0
    """How long ago the last job of the lane finished, or the first running one started."""
    elapsed_ms: int = 0
    """How long the job has been running."""
    behind: int = 0
    """How many ready jobs of the lane run after it."""
