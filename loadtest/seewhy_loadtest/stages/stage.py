"""A stage: sends one schedule, waits until its jobs have ended, and returns what it recorded."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import aiohttp
import numpy as np

from seewhy_loadtest.generation.process import GeneratorSpec
from seewhy_loadtest.generation.processes import generate
from seewhy_loadtest.generation.schedules import Schedule
from seewhy_loadtest.generation.submission import Submission
from seewhy_loadtest.stages.completions import CompletionReader
from seewhy_loadtest.stages.during import running
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.stages.process_times import processor_times_s, used_between
from seewhy_loadtest.stages.record import StageRecord

_DRAIN_INTERVAL_S = 0.05
_READ_TIMEOUT_S = 30.0


@dataclass(slots=True)
class _Progress:
    started_at_s: float = 0.0
    submissions: list[Submission] = field(default_factory=list)


async def run_stage(
    options: LoadOptions,
    schedule: Schedule,
    *,
    url: str,
    images: Sequence[bytes],
    follow_jobs: bool = True,
) -> StageRecord:
    """Send the schedule to the service at `url`; wait for the jobs if `follow_jobs`.

    Raises `GeneratorFailed`.
    """
    progress = _Progress()

    def on_start(started_at_s: float) -> None:
        progress.started_at_s = started_at_s

    def on_submission(submission: Submission) -> None:
        progress.submissions.append(submission)
        if submission.job_id and follow_jobs:
            reader.add(submission.job_id)

    before_s = processor_times_s()
    with TemporaryDirectory(prefix="seewhy-load-") as folder:
        specs = _specs(options, schedule, url=url, images=images, folder=Path(folder))
        async with _reading(options, url) as reader, running(options.during) as during:
            generators = await generate(specs, on_start=on_start, on_submission=on_submission)
            ends_s = time.monotonic() + options.drain
            while reader.open_jobs and time.monotonic() < ends_s:
                await asyncio.sleep(_DRAIN_INTERVAL_S)
            drained_s = time.time() - progress.started_at_s
    return StageRecord(
        schedule=schedule,
        started_at_s=progress.started_at_s,
        submissions=sorted(progress.submissions, key=lambda each: each.index),
        endings=reader.endings,
        generators=generators,
        drained_s=drained_s,
        completion_requests=reader.requests,
        during=during.ended(progress.started_at_s),
        processes=used_between(before_s, processor_times_s()),
    )


def _specs(
    options: LoadOptions, schedule: Schedule, *, url: str, images: Sequence[bytes], folder: Path
) -> list[GeneratorSpec]:
    """Write what the generators read, and divide the arrivals among them."""
    np.save(folder / "arrivals.npy", schedule.arrivals_us)
    for number, image in enumerate(images):
        (folder / f"{number}.jpg").write_bytes(image)
    run = uuid4().hex
    return [
        GeneratorSpec(
            url=url,
            key=options.key,
            request=json.dumps(options.sent_request),
            arrivals=str(folder / "arrivals.npy"),
            images=tuple(str(folder / f"{number}.jpg") for number in range(len(images))),
            seed=schedule.seed,
            run=run,
            first=first,
            step=options.processes,
            connections=max(1, options.connections // options.processes),
            retry_s=options.retry,
        )
        for first in range(options.processes)
    ]


@asynccontextmanager
async def _reading(options: LoadOptions, url: str) -> AsyncIterator[CompletionReader]:
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    timeout = aiohttp.ClientTimeout(total=_READ_TIMEOUT_S)
    async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as http:
        reader = CompletionReader(http)
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
