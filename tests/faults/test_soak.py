"""F35 at small size: the soak test distinguishes a leak from a stable level."""

import subprocess
import sys
from pathlib import Path

import pytest

from faults.soak import ProcessSample, fit_growth, sample_process, soak
from faults.soak_plot import plot

JOBS = 120


def samples(*, leak_mb: float = 0.0, threads: int = 5) -> list[ProcessSample]:
    """Return a warm-up, then a level with 2 MB of noise, and a leak over the whole run."""
    return [
        ProcessSample(
            done=done,
            memory_mb=min(100.0, done / 4) + done % 3 + leak_mb * done / 1000,
            descriptors=20 + done % 2,
            threads=threads if done < 700 else 5,
        )
        for done in range(0, 1000, 7)
    ]


def test_a_level_after_a_warm_up_is_flat() -> None:
    growths = fit_growth("API", samples())
    assert all(growth.is_flat for growth in growths), growths


def test_a_leak_is_measured_after_the_warm_up() -> None:
    memory, descriptors, _ = fit_growth("API", samples(leak_mb=30))
    assert memory.increase == pytest.approx(0.6 * 30, abs=1)
    assert not memory.is_flat
    assert "GROWS" in str(memory)
    assert descriptors.is_flat


def test_a_decrease_is_flat() -> None:
    *_, threads = fit_growth("API", samples(threads=50))
    assert threads.increase < 0
    assert threads.is_flat


def test_too_few_jobs_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_growth("API", [ProcessSample(0, 1.0, 1, 1)])


def test_a_sample_measures_the_memory_of_the_process() -> None:
    code = "hold = bytearray(50_000_000); print(flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        sample = sample_process(process.pid, done=7)
    finally:
        process.kill()
        process.communicate()
    assert 50 < sample.memory_mb < 100
    assert (sample.done, sample.threads) == (7, 1)
    assert sample.descriptors >= 3


def test_a_small_soak_runs_and_is_plotted(tmp_path: Path) -> None:
    taken = soak(JOBS, interval_s=0.2)
    assert {name: each[-1].done for name, each in taken.items()} == {
        "API": JOBS,
        "worker": JOBS,
        "Valkey": JOBS,
    }
    plot(taken, tmp_path / "soak.svg", warm_up=0.4)
    assert (tmp_path / "soak.svg").read_text("utf-8").count("<polyline") == 9
