"""Validation of the simulation: predict a pool from one worker alone, then measure it.

The workers are real processes with a simulated device, which sleeps in place of the network.
`fit` measures one worker; `predict` simulates every point from that and the schedule of its
arrivals, and writes the predictions down; `measure` sends the same schedules to a pool, over HTTP;
`table` compares. Latencies count from the time when a job was meant to be sent to the time when the
ledger has its outcome. Choose a device so slow that the
processor does not limit the pool.

    export PYTHONPATH=tests:benchmarks
    python benchmarks/capacity.py fit FOLDER --batch-ms 450 --image-ms 30
    python benchmarks/capacity.py predict FOLDER
    python benchmarks/capacity.py measure FOLDER --workers 4
    python benchmarks/capacity.py table FOLDER
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
from numpy.typing import NDArray
from pools.sending import evenly, poisson, send, send_backlog
from pools.service import Pool, Profile, running
from prometheus_client.parser import text_string_to_metric_families

from seewhy.capacity.arrivals import Arrivals
from seewhy.capacity.profiles import DeviceProfile, HostProfile, PoolProfile
from seewhy.capacity.simulation import simulate
from seewhy.embedded.tcp_ports import free_port
from seewhy_loadtest.generation.schedules import Schedule, ScheduleKind, Step, make_schedule
from seewhy_loadtest.measures.summary import JobTimes, job_times
from seewhy_loadtest.report.files import write_arrivals
from seewhy_loadtest.stages.record import StageRecord

DRAINED = 2 * Profile.max_batch
"""Open jobs of a pool whose backlog is done."""


@dataclass(frozen=True)
class Point:
    """One run: workers, and the times at which jobs are sent."""

    name: str
    workers: int
    schedule: Schedule
    surge_end_s: float | None = None
    threads: int = 3


def points(worker_rate: float) -> list[Point]:
    """Return the same points each time: 12 loads, a surge, bursty arrivals, fewer threads."""
    found = []
    for workers in (1, 2, 4, 8):
        for load_ in (0.5, 0.7, 0.9):
            step = Step(load_ * workers * worker_rate, 60 if workers == 1 else 36)
            schedule = poisson(step, seed=100 * workers + int(100 * load_))
            found.append(Point(f"{workers} x {load_}", workers, schedule))
    rate = 2 * worker_rate
    surge = poisson(Step(0.5 * rate, 10), Step(1.5 * rate, 15), Step(0.5 * rate, 30), seed=7)
    found.append(Point("2, surge 0.5 to 1.5", 2, surge, surge_end_s=25))
    bursts = make_schedule(ScheduleKind.BURST, [Step(0.7 * 4 * worker_rate, 36)], seed=7)
    found.append(Point("4 x 0.7, twice as bursty", 4, bursts))
    same = next(point for point in found if point.name == "4 x 0.7")
    found.append(replace(same, name="4 x 0.7, two threads", threads=2))
    return found


def fit(folder: Path, profile: Profile) -> None:
    """Measure one worker alone, and write its profile."""
    port = free_port()
    with _warm(profile, workers=1, worker_metrics_port=port) as pool:
        singles = _ended(send(pool.url, evenly(25, per_s=1.25)))
        batches = [_run_stopped_batch(pool, size) for size in (1, 2, 3, 4, 6, 8) for _ in range(4)]
        before = pool.cpu_s()
        jobs = 320
        backlog = send_backlog(pool, evenly(jobs, per_s=60))
        sent = pool.cpu_s()
        resumed_s = time.time()
        pool.suspended(is_suspended=False)
        time.sleep(0.95 * jobs / profile.images_per_s)  # asking costs time, too
        pool.await_end()
        done = pool.cpu_s()
        last_s = max(_times_s(pool, one)[1] for one in _ids(backlog))
        stages = _stage_means_s(port)
    sizes = np.array([size for size, _, _ in batches], dtype=float)
    device_s = np.array([one for _, one, _ in batches])
    host_s = np.array([one for _, _, one in batches])
    image_s, overhead_s = np.polyfit(sizes, device_s, 1)
    load_s = sum(each.cpu_s for each in backlog.generators)
    submit_cpu_s = (load_s + sum(sent[part] - before[part] for part in ("API", "Valkey"))) / jobs
    work_cpu_s = sum(done[part] - sent[part] for part in ("workers", "Valkey")) / jobs
    fetched = stages["fetch"] / (stages["fetch"] + stages["publish"])
    cores = psutil.cpu_count() or 1
    parallel = np.maximum(1, sizes / cores)
    rest_s = max(0.0, float(np.mean(host_s - work_cpu_s * parallel)))
    delays_s = [each.submitted_s - each.submission.intended_s for each in singles]
    submit_s = statistics.median(delays_s) - submit_cpu_s
    fitted = {
        "device": {
            "overhead_s": overhead_s,
            "image_s": image_s,
            "max_batch": profile.max_batch,
            "jitter": (device_s / (overhead_s + image_s * sizes)).tolist(),
        },
        "host": {
            "submit_cpu_s": submit_cpu_s,
            "fetch_cpu_s": work_cpu_s * fetched,
            "publish_cpu_s": work_cpu_s * (1 - fetched),
            "submit_s": max(0.0, submit_s),
            "wakeup_s": statistics.median(each.started_s - each.submitted_s for each in singles),
            "fetch_s": rest_s * fetched,
            "publish_s": rest_s * (1 - fetched),
            "cores": cores,
        },
    }
    cpu_ms = {
        "submit": {part: 1000 * (sent[part] - before[part]) / jobs for part in sent},
        "work": {part: 1000 * (done[part] - sent[part]) / jobs for part in sent},
    }
    host_by_size = {int(n): float(np.median(host_s[sizes == n])) for n in sorted(set(sizes))}
    saturated = jobs / (last_s - resumed_s)
    report = {"saturated_per_s": saturated, "cpu_ms_per_job": cpu_ms, "host_s": host_by_size}
    _write(folder / "profile.json", fitted | {"simulated": asdict(profile), "measured": report})


def predict(folder: Path) -> None:
    """Simulate every point and write the predictions."""
    profile = json.loads((folder / "profile.json").read_text())
    device = DeviceProfile(**profile["device"] | {"jitter": tuple(profile["device"]["jitter"])})
    host = HostProfile(**profile["host"])
    predictions = {}
    for point in points(Profile(**profile["simulated"]).images_per_s):
        pool = PoolProfile(device=device, host=host, workers=point.workers, threads=point.threads)
        outcome = simulate(pool, Arrivals(times_s=point.schedule.arrivals_s))
        predictions[point.name] = _summary(point, outcome.finished_s)
    _write(folder / "predictions.json", {"at": time.ctime(), "points": predictions})


def measure(folder: Path, workers: int, threads: int) -> None:
    """Run the points of a number of workers and threads, and write what was measured."""
    profile = Profile(**json.loads((folder / "profile.json").read_text())["simulated"])
    with _warm(profile, workers=workers, worker_concurrency=threads) as pool:
        for point in points(profile.images_per_s):
            if (point.workers, point.threads) != (workers, threads):
                continue
            record = send(pool.url, point.schedule)
            write_arrivals(folder / f"arrivals-{point.name}.csv", [record])
            finished_s = np.array([each.finished_s for each in _ended(record)])
            load_s = sum(each.cpu_s for each in record.generators)
            used_s = {**record.processes, "load": load_s}
            cores = {name: used / record.drained_s for name, used in used_s.items()}
            summary = {**_summary(point, finished_s), "cores": cores}
            _write(folder / f"measured-{point.name}.json", summary)


def table(folder: Path) -> None:
    """Print predictions and measurements side by side, as Markdown."""
    predictions = json.loads((folder / "predictions.json").read_text())["points"]
    columns = ("throughput", "p50_s", "p95_s", "p99_s", "drain_s")
    bounds = dict(zip(columns, (0.03, 0.1, 0.1, 0.2, 0.15), strict=True))
    print("| workers x load | jobs | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for name, predicted in predictions.items():
        file = folder / f"measured-{name}.json"
        if not file.exists():
            continue
        measured = json.loads(file.read_text())
        cells = []
        for column in columns:
            if column not in predicted:
                cells.append("")
                continue
            error = predicted[column] / measured[column] - 1
            missed = " (missed)" if abs(error) > bounds[column] else ""
            cells.append(f"{predicted[column]:.3g} / {measured[column]:.3g} {error:+.1%}{missed}")
        print(f"| {name} | {measured['jobs']} | " + " | ".join(cells) + " |")


@contextmanager
def _warm(profile: Profile, *, workers: int, **changes: Any) -> Iterator[Pool]:
    """Run a pool that has explained some images."""
    with running(profile, **changes) as pool:
        pool.start_workers(workers)
        _ended(send(pool.url, evenly(4 * workers, per_s=10)))
        yield pool


def _ended(record: StageRecord) -> list[JobTimes]:
    """Return the times of every arrival. Exits if one has no result."""
    times, _ = job_times(record)
    if len(times) < len(record.submissions) or not all(each.succeeded for each in times):
        raise SystemExit("a job has no result; run again")
    return times


def _ids(record: StageRecord) -> list[str]:
    return [each.job_id for each in record.submissions]


def _times_s(pool: Pool, job_id: str) -> tuple[float, float, float]:
    """Return when a job started and finished, and its time on the device."""
    record = pool.ledger.read(job_id)
    if record is None or not (record.result and record.started_ms and record.finished_ms):
        raise SystemExit(f"job {job_id} has no result; run again")
    device_s = json.loads(record.result)["timings_ms"]["explain"] / 1000
    return record.started_ms / 1000, record.finished_ms / 1000, device_s


def _run_stopped_batch(pool: Pool, size: int) -> tuple[int, float, float]:
    """Let a worker find `size` jobs at once; return their time on the device and besides it."""
    ids = _ids(send_backlog(pool, evenly(size)))
    pool.suspended(is_suspended=False)
    pool.await_end()
    times = [_times_s(pool, one) for one in ids]
    started_s, finished_s, device_s = times[0]
    if any(each[0] != started_s for each in times):
        raise SystemExit(f"{size} jobs were not claimed together; run again")
    return size, device_s, finished_s - started_s - device_s


def _stage_means_s(port: int) -> dict[str, float]:
    """Return the mean time of each stage of a batch, as the worker's metrics have it."""
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    totals: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        if family.name == "seewhy_batch_stage_seconds":
            for sample in family.samples:
                stage, kind = sample.labels["stage"], sample.name.rpartition("_")[2]
                totals[stage, kind] = totals.get((stage, kind), 0) + sample.value
    stages = {stage for stage, _ in totals}
    return {stage: totals[stage, "sum"] / totals[stage, "count"] for stage in stages}


def _summary(point: Point, finished_s: NDArray[np.float64]) -> dict[str, float]:
    arrived_s = point.schedule.arrivals_s
    latencies_s = finished_s - arrived_s
    p50_s, p95_s, p99_s = np.percentile(latencies_s, (50, 95, 99))
    end_s = arrived_s[-1]
    summary = {
        "jobs": len(finished_s),
        "throughput": float(np.sum(finished_s <= end_s) / end_s),
        "p50_s": float(p50_s),
        "p95_s": float(p95_s),
        "p99_s": float(p99_s),
    }
    if point.surge_end_s is not None:
        summary["drain_s"] = _drain_s(point.schedule.arrivals_s, point.surge_end_s, finished_s)
    return summary


def _drain_s(
    arrivals_s: NDArray[np.float64], surge_end_s: float, finished_s: NDArray[np.float64]
) -> float:
    """Return how long after the surge the backlog was done."""
    at_s = np.arange(surge_end_s, arrivals_s[-1], 0.05)
    arrived = np.searchsorted(arrivals_s, at_s)
    open_jobs = arrived - np.searchsorted(np.sort(finished_s), at_s)
    return float(at_s[np.argmax(open_jobs <= DRAINED)] - at_s[0])


def _write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=1) + "\n")
    print(f"wrote {file.name}", file=sys.stderr)


def main() -> None:
    """Run a step of the validation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["fit", "predict", "measure", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, choices=[1, 2, 4, 8], default=1)
    parser.add_argument("--batch-ms", type=float, default=450)
    parser.add_argument("--image-ms", type=float, default=30)
    parser.add_argument("--threads", type=int, choices=[2, 3], default=3)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.step == "fit":
        fit(
            arguments.folder,
            Profile(batch_ms=arguments.batch_ms, image_ms=arguments.image_ms),
        )
    elif arguments.step == "measure":
        measure(arguments.folder, arguments.workers, arguments.threads)
    else:
        {"predict": predict, "table": table}[arguments.step](arguments.folder)


if __name__ == "__main__":
    main()
