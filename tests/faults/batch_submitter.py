"""A client of batches under faults: it retries until accepted, and logs every item as a job."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from faults.environment import Environment
from faults.sample_images import IMAGES
from faults.submitter import ACCEPT_TIMEOUT_S, RESPONSE_TIMEOUT_S, Submission
from seewhy.ids import item_job_id
from servers import waiting
from servers.waiting import wait_until

UNCACHED = json.dumps({"cache": False, "outputs": []})


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """An accepted batch, whose items are in the log of accepted jobs."""

    batch_id: str
    size: int


def submit_batch(env: Environment, name: str) -> SubmittedBatch:
    """Submit a batch until it is accepted. Raises `TimeoutError` if it never is."""
    size = env.batch_items
    images = [IMAGES[number % len(IMAGES)] for number in range(size)]
    lines = [
        json.dumps({"key": f"{name}-{n}", "image_base64": base64.b64encode(image).decode()})
        for n, image in enumerate(images)
    ]
    batch_id = _post_until_accepted(env, name, "\n".join(lines).encode())
    for number, image in enumerate(images):
        key = f"{name}/{number}"
        env.submitter.keys.append(key)
        digest = hashlib.sha256(image).hexdigest()
        env.submissions.append(Submission(item_job_id(batch_id, number), key, digest))
    return SubmittedBatch(batch_id, size)


def await_batch_end(env: Environment, batch: SubmittedBatch, *, limit_s: float = 120) -> Any:
    """Return the view of a batch once it has ended."""
    wait_until(
        lambda: (read_batch(env, batch) or {}).get("status") in {"finished", "cancelled"},
        what=f"batch {batch.batch_id} has ended",
        limit_s=limit_s,
    )
    return read_batch(env, batch)


def read_batch(env: Environment, batch: SubmittedBatch) -> Any:
    """Return the view of a batch; None while the API does not answer, or is restoring jobs."""
    response = _get(env, f"/v1/batches/{batch.batch_id}")
    return response.json() if response is not None and response.status_code == 200 else None


def assert_all_succeeded(env: Environment, batch: SubmittedBatch) -> None:
    """Check the counts of a finished batch, and that its results have one line for each item."""
    view = await_batch_end(env, batch)
    assert view["status"] == "finished"
    assert view["counts"]["succeeded"] == view["counts"]["total"] == batch.size, view["counts"]
    response = _get(env, f"/v1/batches/{batch.batch_id}/results")
    assert response is not None
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["index"] for line in lines] == list(range(batch.size))
    assert {line["status"] for line in lines} == {"succeeded"}
    assert len({line["id"] for line in lines}) == batch.size


def _post_until_accepted(env: Environment, name: str, body: bytes) -> str:
    deadline = time.monotonic() + ACCEPT_TIMEOUT_S * waiting.scale
    while time.monotonic() < deadline:
        try:
            response = httpx2.post(
                f"{env.api.url}/v1/batches",
                content=body,
                params={"request": UNCACHED},
                headers={"Idempotency-Key": name, "Content-Type": "application/x-ndjson"},
                timeout=RESPONSE_TIMEOUT_S * waiting.scale,
            )
        except httpx2.TransportError:
            response = None
        if response is not None and response.status_code == 202:
            assert response.json()["refused"] == []
            return str(response.json()["id"])
        assert response is None or response.status_code in {409, 503}, response.text
        time.sleep(0.2)
    raise TimeoutError(f"{name} was not accepted within {ACCEPT_TIMEOUT_S:g} s")


def _get(env: Environment, path: str) -> httpx2.Response | None:
    try:
        return httpx2.get(f"{env.api.url}{path}", timeout=RESPONSE_TIMEOUT_S * waiting.scale)
    except httpx2.TransportError:
        return None
