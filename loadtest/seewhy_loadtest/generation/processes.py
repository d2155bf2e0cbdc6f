"""Runs the generator processes of a stage and yields what they print."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from seewhy.errors import SeewhyError
from seewhy_loadtest.generation.process import GeneratorSpec
from seewhy_loadtest.generation.submission import GeneratorUse, Submission

START_DELAY_S = 0.2
"""How long after the last process is ready the first request may be sent."""


class GeneratorFailed(SeewhyError):
    """A generator process ended early."""

    code = "generator_failed"


async def generate(
    specs: Sequence[GeneratorSpec],
    *,
    on_start: Callable[[float], None],
    on_submission: Callable[[Submission], None],
) -> list[GeneratorUse]:
    """Run one process for each spec; they start at the same moment.

    `on_start` gets this moment in seconds since 1970, `on_submission` every arrival once it has an
    answer. Raises `GeneratorFailed`.
    """
    processes = [await _start(spec) for spec in specs]
    try:
        for process in processes:
            await _read_line(process)  # ready
        delay_s = START_DELAY_S
        start_s = time.monotonic() + delay_s
        on_start(time.time() + delay_s)
        for process in processes:
            _write(process, f"{start_s!r}")
        return await asyncio.gather(*(_follow(each, on_submission) for each in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _start(spec: GeneratorSpec) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "seewhy_loadtest.generation.process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    _write(process, json.dumps(asdict(spec)))
    return process


def _write(process: asyncio.subprocess.Process, line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line.encode() + b"\n")


async def _follow(
    process: asyncio.subprocess.Process, on_submission: Callable[[Submission], None]
) -> GeneratorUse:
    while True:
        read = json.loads(await _read_line(process))
        if isinstance(read, dict):
            return GeneratorUse(**read)
        on_submission(Submission(*read))


async def _read_line(process: asyncio.subprocess.Process) -> bytes:
    line = b"" if process.stdout is None else await process.stdout.readline()
    if not line:
        raise GeneratorFailed("a generator process ended early; its error is above")
    return line
