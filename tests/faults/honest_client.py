"""An honest client in a process of its own, so that attackers do not slow its clock.

    python -m faults.honest_client http://127.0.0.1:8000

Checks the health and submits one image every 100 ms until its standard input ends. Prints one JSON
object per request: `kind` (`health` or `submit`), `status` (0 without an answer), `ms`, and for a
submission its `key` and the job's `id`.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2

from faults.sample_images import IMAGES
from faults.submitter import UNCACHED_REQUEST

ANSWER_LIMIT_S = 10.0
"""Far above the answer of a healthy server, far below the time-outs of the attacks."""
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class HonestRequest:
    """A request of the honest client and its answer."""

    kind: str
    status: int
    ms: float
    key: str = ""
    id: str = ""


@contextmanager
def running_honest_client(url: str) -> Iterator[list[HonestRequest]]:
    """Run the client from its first answer to the end of the block, which fills the list."""
    requests: list[HonestRequest] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "faults.honest_client", url],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first_line = process.stdout.readline()
    try:
        yield requests
    finally:
        output, _ = process.communicate(timeout=4 * ANSWER_LIMIT_S)
        lines = (first_line + output).splitlines()
        requests += [HonestRequest(**json.loads(line)) for line in lines]


def _main(url: str) -> None:
    stopped = threading.Event()

    def stop_at_end_of_input() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    number = 0
    with httpx2.Client(timeout=ANSWER_LIMIT_S) as client:
        while not stopped.wait(PAUSE_S):
            number += 1
            key = f"honest-{number}"
            _report("health", partial(client.get, f"{url}/healthz"))
            _report("submit", partial(_submit, client, url, key), key=key)


def _submit(client: httpx2.Client, url: str, key: str) -> httpx2.Response:
    return client.post(
        f"{url}/v1/explanations",
        files={"image": IMAGES[0]},
        data={"request": UNCACHED_REQUEST},
        headers={"Idempotency-Key": key},
    )


def _report(kind: str, send: Callable[[], httpx2.Response], *, key: str = "") -> None:
    started = time.perf_counter()
    status, job_id = 0, ""
    try:
        response = send()
        status = response.status_code
        job_id = str(response.json().get("id", ""))
    except httpx2.TransportError:
        pass
    ms = (time.perf_counter() - started) * 1000
    line = {"kind": kind, "status": status, "ms": ms, "key": key, "id": job_id}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
