"""Plans meet their requirement with the fewest workers; `seewhy plan` prints them."""

import json
import math
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from seewhy.capacity import planning
from seewhy.capacity.planning import Requirement, Surge, plan
from seewhy.capacity.profiles import DeviceProfile
from seewhy.cli.app import app

REQUIREMENT = Requirement(
    rate=100, p95_s=1.0, device=DeviceProfile(overhead_s=0.08, image_s=0.04, max_batch=8)
)
COMMAND = ("plan", "--rate", "500/s", "--p95", "2s", "--gpu-seconds", "0.004")


@pytest.fixture(autouse=True)
def few_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "JOBS", 4000)


def test_a_generous_latency_needs_only_the_workers_of_the_utilization() -> None:
    made = plan(replace(REQUIREMENT, p95_s=10))
    assert made.workers == made.by_utilization == math.ceil(100 / (0.7 * 20))
    assert made.utilization == pytest.approx(100 / (made.workers * 20))
    assert made.p50_s < made.p95_s < made.p99_s < 10


def test_a_strict_latency_needs_more_workers_and_not_one_too_many() -> None:
    strict = replace(REQUIREMENT, p95_s=0.45)
    made = plan(strict)
    assert made.workers > made.by_utilization
    assert made.p95_s <= 0.45
    fewer = planning.simulate_workers(strict, made.workers - 1)
    assert not planning.is_fast(strict, fewer)


def test_a_latency_below_that_of_a_single_job_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.2 s cannot be met: a job takes 0\.2\d+ s"):
        plan(replace(REQUIREMENT, p95_s=0.2))


def test_a_plan_for_too_many_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="plans end at 100,000"):
        plan(replace(REQUIREMENT, rate=1e8))


def test_the_threads_or_the_processor_of_a_worker_limit_a_fast_device() -> None:
    device = DeviceProfile(overhead_s=0, image_s=0.0001)
    few = replace(REQUIREMENT, device=device, threads=1, store_s=0.1)
    cpu_s = few.host.worker_cpu_s
    assert few.worker_rate == pytest.approx(8 / (0.4 + 4 * cpu_s + 0.0008))
    many = replace(few, threads=16)
    assert many.worker_rate == pytest.approx(2 / cpu_s)
    assert replace(many, worker_cores=1).worker_rate == pytest.approx(1 / cpu_s)


def test_a_surge_waits_for_new_workers() -> None:
    made = plan(replace(REQUIREMENT, surge=Surge(rate=300, cold_start_s=60)))
    assert made.surge
    assert made.surge.backlog == pytest.approx((300 - made.workers * 20) * 60)
    assert made.surge.workers_after == 22
    assert made.surge.drain_s == pytest.approx(made.surge.backlog / (22 * 20 - 300))


def test_the_command_prints_what_the_load_needs() -> None:
    shown = CliRunner().invoke(app, [*COMMAND, "--price-worker-hour", "2.5"])
    assert shown.exit_code == 0
    text = " ".join(shown.output.split())
    assert "workers 5; 58% busy of each 172 images/s, limited by its threads" in text
    assert "2,500 writes/s, 1,000 reads/s" in text
    assert "6.94 per million jobs (workers 6.94)" in text
    assert "memory of Redis" in text


def test_the_command_prints_json_with_the_sensitivity() -> None:
    shown = CliRunner().invoke(app, [*COMMAND, "--surge", "1500/s", "--sensitivity", "--json"])
    document = json.loads(shown.output)
    assert document["workers"] == 5
    assert document["resources"]["puts_per_s"] == 2500
    assert document["cost_per_million"] == {}
    changed = document["sensitivity"]
    assert list(changed) == [
        "device time +20%", "device time -20%", "burstiness x2", "cold start x2",
    ]  # fmt: skip
    assert changed["device time +20%"]["workers"] == 5
    assert changed["cold start x2"]["surge"]["backlog"] == 2 * document["surge"]["backlog"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rate", "500"), "'--rate': '500' is no rate"),
        (("--p95", "2"), "'--p95': '2' is no duration"),
        (("--p95", "1ms"), "cannot be met"),
        (("--utilization", "1"), "the utilization must be between 0 and 1"),
        (("--gpu-seconds", "0"), "a batch must take some time on the device"),
        (("--retention", "x"), "'--retention': 'x' is no duration"),
    ],
)
def test_the_command_says_what_is_wrong(options: tuple[str, str], message: str) -> None:
    shown = CliRunner().invoke(app, [*COMMAND, *options])
    assert shown.exit_code == 2
    assert message in " ".join(shown.output.replace("│", " ").split())
