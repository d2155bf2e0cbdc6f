"""A part of the report: what an experiment has found, and the sizes of all experiments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pools.service import Profile
from seewhy_loadtest.measures.summary import StageSummary
from seewhy_loadtest.report.blocks import Block
from seewhy_loadtest.report.document import stage_document
from seewhy_loadtest.stages.options import Objective, Rate
from seewhy_loadtest.stages.record import StageRecord


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sizes of the experiments."""

    profile: Profile
    scaling: Sequence[int]
    """The numbers of workers whose throughput is compared."""
    workers: int
    """The workers of the other experiments."""
    seconds: float
    """The time of a rate, of a burst and of each fault."""
    rates: Sequence[Rate]
    """Those of the sweep, ascending."""
    objective: Objective
    seed: int
    soak_s: float
    soak_csv: Path | None
    """The samples of an earlier soak, which then is not run."""
    out: Path

    @property
    def capacity_per_s(self) -> float:
        """What the devices of the workers can explain."""
        return self.workers * self.profile.images_per_s


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report."""

    title: str
    blocks: Sequence[Block]
    document: dict[str, Any] = field(default_factory=dict)
    """Figures, with SI units."""
    problems: Sequence[str] = ()
    """What must not happen, such as a lost job."""
    stages: Sequence[tuple[StageRecord, StageSummary]] = ()

    def as_document(self) -> dict[str, Any]:
        """Return everything for JSON."""
        stages = [stage_document(*pair) for pair in self.stages]
        return {**self.document, "problems": list(self.problems), "stages": stages}


def unaccounted(summary: StageSummary, what: str) -> list[str]:
    """Name the accepted jobs that did not end once, with one outcome."""
    counts = summary.accounts
    found = {"lost": counts.lost, "twice": counts.twice, "open": counts.open}
    return [f"{what}: {count} jobs {name}" for name, count in found.items() if count]
