"""A good client under fire: it keeps what it was promised, and asks again until it is promised."""

import hashlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

PATIENCE_S = 120.0
ANSWER_WITHIN_S = 20.0
TENANT_HEADER = "X-Tenant"
ASKED = json.dumps({"cache": False})
"""Each job is to be worked on by itself, though the pictures are few."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One 202: the job, the key it was asked for with, and what is to be explained."""

    job_id: str
    key: str
    picture: str
    """SHA-256, hexadecimal."""


class PromiseLog:
    """Promises on disk, each one there before anybody acts on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        self._lock = threading.Lock()
        self._count = 0

    def append(self, promise: Promise) -> None:
        """Write it down for good."""
        with self._lock:
            self._file.write(json.dumps(asdict(promise)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def read(self) -> list[Promise]:
        """Read all of them back from disk."""
        lines = self._path.read_text("utf-8").splitlines()
        return [Promise(**json.loads(line)) for line in lines]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Submitter:
    """Many threads, each asking for one job after the other, by `Idempotency-Key`.

    `statuses` counts the answers, 0 for none at all; `hasty` the refusals without Retry-After;
    `unsure` holds the keys that may or may not have been promised when last asked for.
    """

    def __init__(
        self,
        url: str,
        *,
        pictures: Sequence[bytes],
        log: PromiseLog,
        seed: int,
        jobs: int,
        over_s: float,
        instead: Mapping[int, bytes] | None = None,
        threads: int = 8,
    ) -> None:
        """Ask for `jobs` explanations within about `over_s`, if all goes well.

        The pictures come in turn, but for those jobs that have another one `instead`.
        """
        self._url = f"{url}/v1/explanations"
        self._pictures = [_named(body) for body in pictures]
        self._instead = {number: _named(body) for number, body in (instead or {}).items()}
        self._log = log
        self._pause_s = over_s * threads / jobs
        self._seed = seed
        self._threads = threads
        self._client = httpx2.Client(timeout=ANSWER_WITHIN_S)
        self._lock = threading.Lock()
        self.keys = [f"job-{seed}-{number}" for number in range(jobs)]
        self.unsure: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.hasty = 0

    def run(self) -> None:
        """Ask until everything is promised; raise `TimeoutError` when a job cannot be."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="submitter") as pool:
            list(pool.map(self._ask, range(len(self.keys))))

    def ask_aside(self, key: str, *, request: str = ASKED, tenant: str | None = None) -> str:
        """Ask once more, for the first picture; return the job, or raise `TimeoutError`."""
        self.keys.append(key)
        return self._insist(key, *self._pictures[0], request=request, tenant=tenant)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _ask(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        time.sleep(chance.uniform(0, 2 * self._pause_s))
        digest, body = self._instead.get(number, self._pictures[number % len(self._pictures)])
        self._insist(self.keys[number], digest, body)

    def _insist(
        self, key: str, digest: str, body: bytes, *, request: str = ASKED, tenant: str | None = None
    ) -> str:
        chance = random.Random(f"{self._seed}/{key}")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = self._post(key, body, request, tenant)
            if answer is not None and answer.status_code in {200, 202}:
                self._log.append(Promise(str(answer.json()["id"]), key, digest))
                self.unsure.discard(key)
                return str(answer.json()["id"])
            self.unsure.add(key)
            time.sleep(chance.uniform(0.1, 0.5))
        raise TimeoutError(f"{key} was not accepted within {PATIENCE_S:g} s")

    def _post(
        self, key: str, body: bytes, request: str, tenant: str | None
    ) -> httpx2.Response | None:
        named = {TENANT_HEADER: tenant} if tenant else {}
        try:
            answer = self._client.post(
                self._url,
                files={"image": body},
                data={"request": request},
                headers={"Idempotency-Key": key} | named,
            )
        except httpx2.TransportError:
            answer = None
        with self._lock:
            self.statuses[answer.status_code if answer is not None else 0] += 1
            if answer is not None and answer.status_code in {409, 429, 503}:
                self.hasty += not _says_when(answer.headers)
        return answer


def _named(body: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(body).hexdigest(), body


def _says_when(headers: Mapping[str, str]) -> bool:
    return headers.get("Retry-After", "").isdigit()
