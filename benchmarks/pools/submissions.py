"""Images sent to a pool: all at once, or at the times of a schedule that ignores the answers."""

import http.client
import json
import queue
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from pools.service import Pool, percentile, sleep_until

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "astronaut.jpg"
SIZE_PX = (640, 427)
BOUNDARY = "seewhy-pools"
THREADS = 16
TENANT_HEADER = "X-Tenant"


class Images:
    """Endless different files of one image, so that no worker has it decoded already."""

    def __init__(self) -> None:
        """Encode the image as JPEG."""
        encoded = cv2.imencode(".jpg", cv2.resize(cv2.imread(str(PHOTO)), SIZE_PX))[1].tobytes()
        self._start, self._rest = encoded[:2], encoded[2:]
        self._numbers = count()

    def next(self) -> bytes:
        """Return the image with another comment."""
        comment = str(next(self._numbers)).encode()
        segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
        return self._start + segment + self._rest


@dataclass
class Sent:
    """What became of the requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    job_ids: dict[str, list[str]] = field(default_factory=dict)
    """Tenant → the jobs that were accepted."""
    late_s: list[float] = field(default_factory=list)
    """How long after its time each request was sent."""


class Sender:
    """Sends images to the API of a pool, over a connection for each thread."""

    def __init__(self, pool: Pool) -> None:
        """Send to this pool."""
        self._port = pool.cluster.settings.api_port
        self._images = Images()
        self._lock = threading.Lock()
        self._local = threading.local()
        self.sent = Sent()

    def send_all(self, jobs: int) -> None:
        """Send `jobs` images as fast as the API takes them."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: self.send("default"), range(jobs)))

    def send_on_time(self, schedule: Sequence[tuple[float, str]]) -> None:
        """Send an image of a tenant at each time, in s from now, whatever the answers are."""
        begun_s = time.perf_counter() + 0.2
        due: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
        for each in (*sorted(schedule), *[None] * THREADS):
            due.put(each)

        def send() -> None:
            while (each := due.get()) is not None:
                late_s = sleep_until(begun_s + each[0])
                self.send(each[1])
                with self._lock:
                    self.sent.late_s.append(late_s)

        with ThreadPoolExecutor(THREADS) as threads:
            for future in [threads.submit(send) for _ in range(THREADS)]:
                future.result()

    def send(self, tenant: str) -> None:
        """Send one image."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection = self._local.connection
        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            TENANT_HEADER: tenant,
        }
        connection.request("POST", "/v1/explanations", _body(self._images.next()), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        with self._lock:
            self.sent.statuses[response.status] += 1
            if response.status == http.client.ACCEPTED:
                self.sent.job_ids.setdefault(tenant, []).append(answer["id"])


def poisson(
    *, rate: float, begin_s: float, end_s: float, seed: int, tenant: str = "default"
) -> list[tuple[float, str]]:
    """Return the arrivals of a Poisson process: (time in s, tenant)."""
    rng = np.random.default_rng(seed)
    number = rng.poisson(rate * (end_s - begin_s))
    return [(float(at), tenant) for at in rng.uniform(begin_s, end_s, number)]


def latencies_s(pool: Pool, job_ids: Sequence[str]) -> list[float]:
    """Return the time from the submission of each job to its end, by the clock of the ledger."""
    records = (pool.ledger.read(job_id) for job_id in job_ids)
    return [
        (record.finished_ms - record.submitted_ms) / 1000
        for record in records
        if record is not None and record.finished_ms is not None
    ]


def describe(sent: Sent) -> str:
    """Return the statuses, and how punctual the sender was."""
    statuses = ", ".join(f"{number} x {status}" for status, number in sorted(sent.statuses.items()))
    late = f"; sent late by {1000 * percentile(sent.late_s, 0.99):.0f} ms (99 %)"
    return statuses + (late if sent.late_s else "")


def _body(image: bytes) -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + image,
        b'Content-Disposition: form-data; name="request"\r\n\r\n{"cache": false}',
    ]
    delimiter = f"--{BOUNDARY}\r\n".encode()
    return b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()
