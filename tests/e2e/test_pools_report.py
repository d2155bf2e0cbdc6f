"""`python -m pools`: one report of experiments on pools, here of the samples of a long run."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def write_samples(path: Path, *, worker_bytes_per_job: float) -> None:
    """Write the samples of a run in which only the workers grow."""
    noise = np.random.default_rng(1).normal(0, 50_000, 300)
    with path.open("w", newline="") as file:
        columns = ["at_s", "ended", "keys", "api_bytes", "api_descriptors", "worker_bytes"]
        columns += ["worker_descriptors", "redis_bytes", "unacknowledged"]
        writer = csv.writer(file)
        writer.writerow(columns)
        for number in range(300):
            jobs = 140 * number
            worker = 180_000_000 + worker_bytes_per_job * jobs + noise[number]
            row = [10.0 * number, jobs, 25_000, 220_000_000, 45, round(worker), 14, 60_000_000]
            writer.writerow([*row, number % 4])


@pytest.mark.parametrize(("bytes_per_job", "status"), [(10, 0), (400, 1)])
def test_the_report_of_a_long_run_names_what_grows(
    tmp_path: Path, bytes_per_job: float, status: int
) -> None:
    write_samples(tmp_path / "samples.csv", worker_bytes_per_job=bytes_per_job)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pools", "soak", "--out", str(tmp_path / "report")),
            *("--soak-csv", str(tmp_path / "samples.csv")),
        ],
        env=os.environ | {"PYTHONPATH": f"{ROOT}/tests:{ROOT}/benchmarks"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    growth = report["sections"]["soak"]["growth_per_job"]
    assert growth["worker_bytes"]["low"] < bytes_per_job < growth["worker_bytes"]["high"]
    assert growth["api_bytes"] == {"slope": 0, "low": 0, "high": 0}
    assert ("workers, bytes may grow" in run.stdout) == bool(status)
    assert (tmp_path / "report" / "report.html").read_text().count("<svg") == 3
