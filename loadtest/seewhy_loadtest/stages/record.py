"""What is recorded of a stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seewhy_loadtest.generation.schedules import Schedule
from seewhy_loadtest.generation.submission import GeneratorUse, Submission

LOST = "lost"
"""The state of a job that the service does not know."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the service says of an accepted job. Times are seconds since 1970, by its clock."""

    state: str
    """A terminal state, or `LOST`."""
    submitted_at_s: float | None = None
    started_at_s: float | None = None
    finished_at_s: float | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """The command that ran during a stage. Times are seconds since its start."""

    command: str
    started_s: float
    ended_s: float
    exit_status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """What happened in a stage."""

    schedule: Schedule
    started_at_s: float
    """Seconds since 1970, by the generator's clock."""
    submissions: Sequence[Submission]
    """One for each arrival, in order."""
    endings: Mapping[str, Ending]
    """Job id → how it ended; jobs that had not ended are missing."""
    generators: Sequence[GeneratorUse]
    drained_s: float
    """When the last job was known to have ended, or the wait for it ended."""
    completion_requests: int
    during: CommandRun | None = None
    processes: Mapping[str, float] = field(default_factory=dict)
    """Process of the service → the processor time that it used, in seconds."""
