"""A generator process: sends its share of a schedule, open loop, and prints what became of it.

`python -m seewhy_loadtest.generation.process` reads a line with a `GeneratorSpec` as JSON, prints
`ready`, reads the start time on the monotonic clock, and prints a JSON array for each arrival, then
an object with what it used. Arrivals never wait for earlier answers.
"""

import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from seewhy_loadtest.generation.submission import GeneratorUse, Submission
from seewhy_loadtest.generation.unique_image import unique_image

PATIENCE_S = 5.0
"""An arrival that gets no connection for so long is never sent."""
ATTEMPT_TIMEOUT_S = 30.0
_FIRST_PAUSE_S = 0.1
_FLUSH_INTERVAL_S = 0.1
_BOUNDARY = "seewhy-load"


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """The share of one process: every `step`-th arrival from the index `first` on."""

    url: str
    key: str | None
    request: str
    """The fields of every request, as JSON."""
    arrivals: str
    """A file with the intended times in microseconds, as NumPy writes it."""
    images: tuple[str, ...]
    """JPEG files."""
    seed: int
    run: str
    """A unique prefix of the idempotency keys."""
    first: int
    step: int
    connections: int
    """The most requests in flight."""
    retry_s: float
    """How long a request without an answer is repeated, with its idempotency key."""


class Generator:
    """Sends arrivals at their intended times."""

    def __init__(self, spec: GeneratorSpec, http: aiohttp.ClientSession) -> None:
        """Send as `spec` says."""
        self._spec = spec
        self._http = http
        self._images = [Path(file).read_bytes() for file in spec.images]
        self._free = asyncio.Semaphore(spec.connections)
        self._printed: list[str] = []
        self._start_s = 0.0

    async def run(self, start_s: float) -> None:
        """Send every arrival of the share; `start_s` is on the monotonic clock."""
        self._start_s = start_s
        arrivals_us = np.load(self._spec.arrivals)
        flusher = asyncio.create_task(self._flush_forever())
        pending: set[asyncio.Task[None]] = set()
        for index in range(self._spec.first, len(arrivals_us), self._spec.step):
            intended_s = float(arrivals_us[index]) / 1e6
            if (delay_s := intended_s - self._now_s()) > 0:
                await asyncio.sleep(delay_s)
            task = asyncio.create_task(self._send(index, intended_s))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)
        flusher.cancel()
        self._flush()

    def _now_s(self) -> float:
        return time.monotonic() - self._start_s

    async def _send(self, index: int, intended_s: float) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._free.acquire()
        except TimeoutError:
            self._print(Submission(index, intended_s, None))
            return
        try:
            self._print(await self._submit(index, intended_s))
        finally:
            self._free.release()

    async def _submit(self, index: int, intended_s: float) -> Submission:
        """Send until there is an answer or the time for repetitions is over."""
        sent_s = self._now_s()
        body = self._body(index)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            "Idempotency-Key": f"{self._spec.run}-{index}",
        }
        attempts, pause_s, code = 0, _FIRST_PAUSE_S, ""
        while attempts == 0 or self._now_s() - sent_s < self._spec.retry_s:
            attempts += 1
            try:
                async with self._http.post(
                    "/v1/explanations", data=body, headers=headers
                ) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
                code = type(error).__name__
                await asyncio.sleep(pause_s)
                pause_s *= 2
                continue
            job_id, code = _read_answer(response.status, answer)
            return Submission(
                index, intended_s, sent_s, self._now_s(), response.status, code, job_id, attempts
            )
        return Submission(index, intended_s, sent_s, code=code, attempts=attempts)

    def _body(self, index: int) -> bytes:
        image = unique_image(self._images, seed=self._spec.seed, index=index)
        delimiter = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
        head = f'{delimiter}"image"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        tail = f'\r\n{delimiter}"request"\r\n\r\n{self._spec.request}\r\n--{_BOUNDARY}--\r\n'
        return b"".join((head.encode(), image, tail.encode()))

    def _print(self, submission: Submission) -> None:
        self._printed.append(json.dumps(astuple(submission)))

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_INTERVAL_S)
            self._flush()

    def _flush(self) -> None:
        lines, self._printed = self._printed, []
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


def _read_answer(status: int, answer: bytes) -> tuple[str, str]:
    """Return the id of the accepted job, or the code of the problem."""
    try:
        body: dict[str, Any] = json.loads(answer)
    except ValueError:
        return "", "not_json"
    accepted = status in {200, 202}
    return (str(body["id"]), "") if accepted else ("", str(body.get("code", status)))


async def _generate(spec: GeneratorSpec) -> GeneratorUse:
    headers = {"Authorization": f"Bearer {spec.key}"} if spec.key else {}
    connector = aiohttp.TCPConnector(limit=spec.connections)
    timeout = aiohttp.ClientTimeout(total=ATTEMPT_TIMEOUT_S)
    async with aiohttp.ClientSession(
        spec.url, headers=headers, connector=connector, timeout=timeout
    ) as http:
        generator = Generator(spec, http)
        print("ready", flush=True)
        start_s = float(await asyncio.to_thread(sys.stdin.readline))
        before_s = _cpu_s()
        await generator.run(start_s)
        return GeneratorUse(cpu_s=_cpu_s() - before_s, wall_s=time.monotonic() - start_s)


def _cpu_s() -> float:
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def main() -> None:
    """Generate what the first line of the input says."""
    fields = json.loads(sys.stdin.readline())
    spec = GeneratorSpec(**fields | {"images": tuple(fields["images"])})
    print(json.dumps(asdict(asyncio.run(_generate(spec)))), flush=True)


if __name__ == "__main__":
    main()
