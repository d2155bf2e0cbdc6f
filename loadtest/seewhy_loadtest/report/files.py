"""Writes the files of a report."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seewhy_loadtest.measures.summary import job_times
from seewhy_loadtest.stages.record import StageRecord

COLUMNS = (
    "stage",
    "index",
    "intended_s",
    "sent_s",
    "answered_s",
    "http_status",
    "code",
    "attempts",
    "job_id",
    "state",
    "submitted_s",
    "started_s",
    "finished_s",
    "error",
)
TIMINGS = ("prepare", "device_wait", "explain", "render", "store")


def write_report(folder: Path, *, markdown: str, html: str, document: Mapping[str, Any]) -> None:
    """Write `report.md`, `report.html` and `report.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(markdown, "utf-8")
    (folder / "report.html").write_text(html, "utf-8")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", "utf-8")


def write_arrivals(path: Path, records: Iterable[StageRecord]) -> None:
    """Write a line of CSV for each arrival: times in seconds since the start of its stage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*COLUMNS, *(f"{name}_ms" for name in TIMINGS)))
        for number, record in enumerate(records):
            writer.writerows(_rows(number, record))


def _rows(number: int, record: StageRecord) -> Iterable[list[object]]:
    times = {each.submission.job_id: each for each in job_times(record)[0]}
    for one in record.submissions:
        job = times.get(one.job_id)
        row: list[object] = [number, one.index, *map(_text, (one.intended_s, one.sent_s))]
        row += [_text(one.answered_s), one.status, one.code, one.attempts, one.job_id]
        if job is None:
            row += [""] * 5 + [""] * len(TIMINGS)
        else:
            row += [job.ending.state]
            row += map(_text, (job.submitted_s, job.started_s, job.finished_s))
            row += [job.ending.error, *(_text(job.ending.timings_ms.get(name)) for name in TIMINGS)]
        yield row


def _text(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6f}"
