"""`seewhy load` against a real API and a worker with the stub."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from servers.process_cluster import ProcessCluster, running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until


@pytest.fixture(scope="module")
def service(
    valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProcessCluster, str]]:
    """A service that needs a key, and a key."""
    directory = tmp_path_factory.mktemp("load")
    store = open_store(load({}, store_url=f"file://{directory}/objects"))
    key, _ = KeyStore(store).create(tenant="load", scopes={Scope.SUBMIT, Scope.READ})
    with running_api(valkey, directory, auth="keys") as cluster:
        cluster.start_stub_worker(batch_ms=5)
        wait_until(lambda: "ready." in cluster.read_log("worker"), what="the worker is ready")
        yield cluster, key.text


def run_load(
    *arguments: object, url: str | None = None, key: str = "", out: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "seewhy.cli", "load", "--out", str(out)),
            *(("--url", url) if url else ()),
            *map(str, arguments),
        ],
        env=os.environ | {"SEEWHY_KEY": key, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def report_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return document


def test_one_rate_makes_one_report_in_which_every_arrival_is_accounted_for(
    service: tuple[ProcessCluster, str], tmp_path: Path
) -> None:
    cluster, key = service
    options = ("--rate", 20, "--duration", 3, "--processes", 2, "--objective", "p50=20s")
    run = run_load(*options, "--during", "sleep 0.2", url=cluster.url, key=key, out=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    report = report_of(tmp_path)
    (stage,) = report["stages"]
    accounts, arrivals = stage["accounts"], stage["schedule"]["arrivals"]
    assert 30 <= arrivals <= 90
    assert accounts["arrivals"] == accounts["accepted"] == accounts["succeeded"] == arrivals
    assert (accounts["lost"], accounts["unsent"], accounts["balance"]) == (0, 0, 0)
    assert stage["objectives"][0]["met"]
    assert stage["during"]["exit_status"] == 0
    assert stage["self_check"]["little"]["jobs"] > 0
    for name in ("submit", "device", "store", "end_to_end"):
        assert stage["latencies"][name][0]["value_s"] > 0, name
    with (tmp_path / "arrivals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["succeeded"] * arrivals
    assert len({row["job_id"] for row in rows}) == arrivals
    assert all(float(row["finished_s"]) > float(row["intended_s"]) for row in rows)
    assert "accepted = succeeded" in run.stdout
    assert key not in run.stdout + json.dumps(report)


def test_a_missed_objective_and_jobs_that_do_not_end_have_their_own_status(
    service: tuple[ProcessCluster, str], tmp_path: Path
) -> None:
    cluster, key = service
    common = ("--rate", 40, "--duration", 1, "--schedule", "constant")
    missed = run_load(*common, "--objective", "p50=1ms", url=cluster.url, key=key, out=tmp_path)
    assert missed.returncode == 5, missed.stdout + missed.stderr
    assert "p50 ≤ 0.001 s is not met" in missed.stdout
    unserved = ("--model", "vgg16", "--drain", 0.5)
    unfinished = run_load(*common, *unserved, url=cluster.url, key=key, out=tmp_path)
    assert unfinished.returncode == 3, unfinished.stdout + unfinished.stderr
    assert "40 accepted jobs had not ended" in unfinished.stdout


def test_a_sweep_runs_each_rate_and_draws_a_page(
    service: tuple[ProcessCluster, str], tmp_path: Path
) -> None:
    cluster, key = service
    options = ("--sweep", "--rates", "10,20", "--duration", 1, "--schedule", "constant")
    run = run_load(*options, "--keep-going", url=cluster.url, key=key, out=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    report = report_of(tmp_path)
    assert [stage["offered_per_s"] for stage in report["stages"]] == [10, 20]
    assert [stage["accounts"]["succeeded"] for stage in report["stages"]] == [10, 20]
    assert "Knee" in report["conclusions"][0]
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2 + 2 * 3


def test_a_self_check_loads_a_service_that_does_nothing(tmp_path: Path) -> None:
    options = ("--self-check", "--rate", 50, "--duration", 1, "--schedule", "constant")
    run = run_load(*options, out=tmp_path)
    assert run.returncode in {0, 6}, run.stdout + run.stderr  # a busy machine delays requests
    (stage,) = report_of(tmp_path)["stages"]
    assert stage["accounts"]["succeeded"] == 50


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--objective", "p95<2s"], 2, "--objective: an objective looks like p95=2s"),
        (["--request", "{"], 2, "--request: Expecting property name"),
        ([], 1, "cannot be loaded"),
    ],
)
def test_mistakes_are_named_before_anything_is_sent(
    tmp_path: Path, options: list[str], status: int, message: str
) -> None:
    run = run_load(*options, url="http://127.0.0.1:9", out=tmp_path / "report")
    assert (run.returncode, message in run.stderr) == (status, True), run.stderr
    assert not (tmp_path / "report").exists()
