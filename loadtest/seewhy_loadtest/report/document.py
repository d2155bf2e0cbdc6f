"""The report as one JSON document."""

import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from seewhy_loadtest.measures.percentiles import Percentile
from seewhy_loadtest.measures.summary import StageSummary
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.stages.record import StageRecord


def header(options: LoadOptions, *, command: str, service: dict[str, Any]) -> dict[str, Any]:
    """Return what the figures depend on. The API key is left out."""
    return {
        "command": command,
        "seewhy": version("seewhy"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "options": options.model_dump(mode="json", exclude={"key"}),
        "service": service,
    }


def stage_document(record: StageRecord, summary: StageSummary) -> dict[str, Any]:
    """Return the figures of a stage, in seconds; infinity is null."""
    fields = asdict(summary)
    fields["latencies"] = {
        name: [_percentile(each) for each in found] for name, found in summary.latencies.items()
    }
    fields["objectives"] = [
        {
            "objective": str(each.objective),
            "measured": each.measured and _percentile(each.measured),
            "met": each.is_met,
        }
        for each in summary.objectives
    ]
    fields["self_check"]["problems"] = summary.self_check.problems
    fields["accounts"]["balance"] = summary.accounts.balance
    schedule = record.schedule
    document: dict[str, Any] = _finite(
        {
            "schedule": {
                "kind": schedule.kind,
                "seed": schedule.seed,
                "steps": [asdict(step) for step in schedule.steps],
                "arrivals": len(schedule.arrivals_us),
                "sha256": schedule.digest,
            },
            "started_at_s": record.started_at_s,
            "drained_s": record.drained_s,
            "completion_requests": record.completion_requests,
            "during": record.during and asdict(record.during),
            **fields,
        }
    )
    return document


def _percentile(found: Percentile) -> dict[str, float | None]:
    return {"percentile": found.share * 100, "value_s": found.value, "upper_99_s": found.upper}


def _finite(value: Any) -> Any:
    """Replace numbers that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(each) for each in value]
    return value
