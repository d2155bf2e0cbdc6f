"""F35, small: what a soak measures, and that it knows a leak from a level."""

import subprocess
import sys
from pathlib import Path

import pytest

from faults.soak import Look, climbs, look_at, soak
from faults.soak_drawing import draw

JOBS = 120


def looks(*, leak_mb: float = 0.0, threads: int = 5) -> list[Look]:
    """A warm-up, then a level that breathes by 2 MB, and a leak over all of it."""
    return [
        Look(
            done=done,
            memory=min(100.0, done / 4) + done % 3 + leak_mb * done / 1000,
            descriptors=20 + done % 2,
            threads=threads if done < 700 else 5,
        )
        for done in range(0, 1000, 7)
    ]


def test_a_level_is_flat_though_the_warm_up_climbed() -> None:
    assert all(climb.flat for climb in climbs("API", looks())), climbs("API", looks())


def test_a_leak_climbs_by_what_it_leaks_after_the_warm_up() -> None:
    memory, descriptors, _ = climbs("API", looks(leak_mb=30))
    assert memory.climbed == pytest.approx(0.6 * 30, abs=1)
    assert not memory.flat
    assert "CLIMBS" in str(memory)
    assert descriptors.flat


def test_what_falls_is_flat() -> None:
    *_, threads = climbs("API", looks(threads=50))
    assert threads.climbed < 0
    assert threads.flat


def test_too_few_jobs_are_not_judged() -> None:
    with pytest.raises(ValueError, match="too few"):
        climbs("API", [Look(0, 1.0, 1, 1)])


def test_a_process_is_measured_with_its_own_memory() -> None:
    code = "hold = bytearray(50_000_000); print(flush=True); import time; time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert held.stdout is not None
        held.stdout.readline()
        seen = look_at(held.pid, done=7)
    finally:
        held.kill()
        held.communicate()
    assert 50 < seen.memory < 100
    assert (seen.done, seen.threads) == (7, 1)
    assert seen.descriptors >= 3


def test_a_small_soak_runs_and_is_drawn(tmp_path: Path) -> None:
    seen = soak(JOBS, interval_s=0.2)
    assert {name: each[-1].done for name, each in seen.items()} == {
        "API": JOBS,
        "worker": JOBS,
        "Valkey": JOBS,
    }
    draw(seen, tmp_path / "soak.svg", warm_up=0.4)
    assert (tmp_path / "soak.svg").read_text("utf-8").count("<polyline") == 9
