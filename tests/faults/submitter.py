"""A well-behaved client under faults: it retries until accepted, and logs every accepted job."""

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

from seewhy.schemas.context import DEFAULT_TENANT

ACCEPT_TIMEOUT_S = 120.0
RESPONSE_TIMEOUT_S = 20.0
TENANT_HEADER = "X-Tenant"
"""Counts only in a scenario whose settings name it."""
UNCACHED_REQUEST = json.dumps({"cache": False})
"""Opts out of result sharing: jobs outnumber the images, and each must be computed."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted submission: a response of 200 or 202."""

    job_id: str
    key: str
    """The Idempotency-Key."""
    image_digest: str
    """SHA-256, hexadecimal."""


class SubmissionLog:
    """Accepted submissions on disk, each synced before `append` returns."""

    def __init__(self, path: Path) -> None:
        """Append to the file at `path`."""
        self._path = path
        self._file = path.open("ab")
        self._lock = threading.Lock()
        self._count = 0

    def append(self, submission: Submission) -> None:
        """Write a submission durably."""
        with self._lock:
            self._file.write(json.dumps(asdict(submission)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def read(self) -> list[Submission]:
        """Read all submissions from disk."""
        lines = self._path.read_text("utf-8").splitlines()
        return [Submission(**json.loads(line)) for line in lines]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Submitter:
    """Submits jobs from several threads, each job under its own Idempotency-Key.

    `statuses` counts HTTP statuses, with 0 for no response; `missing_retry_after` counts refusals
    without Retry-After; `unconfirmed` holds keys whose latest request was not answered with a job,
    so that the job may or may not exist.
    """

    def __init__(
        self,
        url: str,
        *,
        images: Sequence[bytes],
        log: SubmissionLog,
        seed: int,
        jobs: int,
        load_s: float,
        replacements: Mapping[int, bytes] | None = None,
        threads: int = 8,
    ) -> None:
        """Submit `jobs` jobs within about `load_s` if nothing fails.

        Jobs cycle through `images`, except those whose number has an image in `replacements`.
        """
        self._url = f"{url}/v1/explanations"
        self._images = [_with_digest(body) for body in images]
        self._replacements = {n: _with_digest(body) for n, body in (replacements or {}).items()}
        self._log = log
        self._pause_s = load_s * threads / jobs
        self._seed = seed
        self._jobs = jobs
        self._threads = threads
        self._client = httpx2.Client(timeout=RESPONSE_TIMEOUT_S)
        self._lock = threading.Lock()
        self.keys = [f"job-{seed}-{number}" for number in range(jobs)]
        self.unconfirmed: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.missing_retry_after = 0

    def run(self) -> None:
        """Submit until every job is accepted. Raises `TimeoutError` if one never is."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="submitter") as pool:
            list(pool.map(self._submit, range(self._jobs)))

    @property
    def first_image(self) -> bytes:
        """The first image."""
        return self._images[0][1]

    def log_accepted(self, job_id: str, key: str) -> None:
        """Log a job with the first image that another client has submitted."""
        self.keys.append(key)
        if job_id:
            self._log.append(Submission(job_id, key, self._images[0][0]))

    def submit_extra(
        self,
        key: str,
        *,
        image: bytes | None = None,
        request: str = UNCACHED_REQUEST,
        tenant: str | None = None,
    ) -> str:
        """Submit one more job, with the first image unless `image` is given, and return its id.

        Raises `TimeoutError` if it is never accepted.
        """
        self.keys.append(key)
        digest_and_body = _with_digest(image) if image else self._images[0]
        return self._submit_until_accepted(key, *digest_and_body, request=request, tenant=tenant)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _submit(self, number: int) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        time.sleep(rng.uniform(0, 2 * self._pause_s))
        digest, body = self._replacements.get(number, self._images[number % len(self._images)])
        self._submit_until_accepted(self.keys[number], digest, body)

    def _submit_until_accepted(
        self,
        key: str,
        digest: str,
        body: bytes,
        *,
        request: str = UNCACHED_REQUEST,
        tenant: str | None = None,
    ) -> str:
        rng = random.Random(f"{self._seed}/{key}")
        deadline = time.monotonic() + ACCEPT_TIMEOUT_S
        while time.monotonic() < deadline:
            response = self._post(key, body, request, tenant)
            if response is not None and response.status_code in {200, 202}:
                job_id = str(response.json()["id"])
                self._log.append(Submission(job_id, key, digest))
                self.unconfirmed.discard(key)
                return job_id
            self.unconfirmed.add(key)
            time.sleep(rng.uniform(0.1, 0.5))
        raise TimeoutError(f"{key} was not accepted within {ACCEPT_TIMEOUT_S:g} s")

    def _post(
        self, key: str, body: bytes, request: str, tenant: str | None
    ) -> httpx2.Response | None:
        try:
            response = self._client.post(
                self._url,
                files={"image": body},
                data={"request": request},
                headers={"Idempotency-Key": key, TENANT_HEADER: tenant or DEFAULT_TENANT},
            )
        except httpx2.TransportError:
            response = None
        with self._lock:
            self.statuses[response.status_code if response is not None else 0] += 1
            if response is not None and response.status_code in {409, 429, 503}:
                self.missing_retry_after += not _has_retry_after(response.headers)
        return response


def _with_digest(body: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(body).hexdigest(), body


def _has_retry_after(headers: Mapping[str, str]) -> bool:
    return headers.get("Retry-After", "").isdigit()
