"""The fields of a job's hash in Redis."""

from collections.abc import Mapping
from dataclasses import asdict

from seewhy.explanations import State
from seewhy.ledger.records import Outcome, Record


def outcome_fields(outcome: Outcome) -> list[str | int]:
    """Spell an outcome, less its state, as names and values in turn."""
    known = {name: value for name, value in asdict(outcome).items() if value is not None}
    del known["state"]
    return [part for field in known.items() for part in field]


def record_of(job_id: str, fields: Mapping[str, str]) -> Record | None:
    """Read a record out of its hash; None when there is none."""
    if not fields:
        return None

    def number(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    return Record(
        job_id=job_id,
        state=State(fields["state"]),
        lane=fields["lane"],
        job=fields["job"],
        attempts=int(fields["attempts"]),
        crashes=int(fields["crashes"]),
        fence=int(fields["fence"]),
        alone="alone" in fields,
        cancel_requested="cancel" in fields,
        submitted_ms=int(fields["submitted_ms"]),
        started_ms=number("started_ms"),
        finished_ms=number("finished_ms"),
        deadline_ms=number("deadline_ms"),
        owner=fields.get("owner"),
        result=fields.get("result"),
        error_code=fields.get("error_code"),
        error_detail=fields.get("error_detail"),
    )
