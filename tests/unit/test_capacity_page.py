"""docs/capacity.md: its commands print what it shows, and its numbers are those of the code."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seewhy.capacity import planning, resources
from seewhy.capacity.planning import Requirement
from seewhy.capacity.profiles import DeviceProfile
from seewhy.capacity.resources import Traffic, resources_for
from seewhy.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text("utf-8")
EXAMPLES = re.findall(r"```console\n\$ seewhy (.+?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_a_command_prints_what_the_page_shows(command: str, shown: str) -> None:
    printed = CliRunner().invoke(app, shlex.split(command), env={"COLUMNS": "100"})
    assert printed.exit_code == 0
    assert printed.output.split() == shown.split()


def test_the_page_states_the_constants() -> None:
    worker_ms = 1000 * (planning.FETCH_CPU_S + planning.PUBLISH_CPU_S)
    for text in (
        f"| {1000 * resources.API_CPU_S:.1f} ms |",
        f"| {worker_ms:.1f} ms with an overlay |",
        f"| {1000 * resources.LEDGER_CPU_S:.1f} ms |",
        f"| {resources.LEDGER_BYTES / 1000:.1f} kB |",
        f"| {resources.PUTS_PER_JOB} writes, {resources.GETS_PER_JOB} read |",
        f"| {resources.PUTS_PER_PREFIX:,} per second |",
    ):
        assert text in PAGE, text


def test_the_page_names_what_breaks_first() -> None:
    memory, api, redis, prefix = resources_for(1, Traffic()).limits
    hour = resources_for(1, Traffic(retention_s=3600)).limits
    large = resources_for(1, Traffic(retention_s=3600, redis_bytes=64e9)).limits
    worker = Requirement(rate=1, p95_s=1, device=DeviceProfile(overhead_s=0, image_s=0.001))
    processor_rate = worker.worker_limits["processor"]
    for text in (
        f"The memory of Redis, at {memory.rate:.1f} jobs per second",
        f"One core of the API, at {api.rate:.0f} per second",
        f"The processor of Redis, at {redis.rate:.0f} per second",
        f"A prefix of S3, at {prefix.rate:,.0f} per second",
        f"The processor of a worker, at {processor_rate:.0f} images per second",
        f"With an hour it is {_memory_rate(hour):.0f} per second",
        f"with an hour and 64 GB {_memory_rate(large):,.0f}",
    ):
        assert text in PAGE, text


def _memory_rate(limits: tuple[resources.Limit, ...]) -> float:
    [rate] = [limit.rate for limit in limits if limit.part == "memory of Redis"]
    return rate
