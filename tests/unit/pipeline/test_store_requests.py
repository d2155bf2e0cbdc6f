"""Capacity planning knows how many requests to the object store a job makes."""

from collections import Counter
from pathlib import Path

import pytest

from in_memory_worker import IMAGE_KEY, LANE, InMemoryWorker, job_ids
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.capacity.resources import GETS_PER_JOB, PUTS_PER_JOB
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.types import Submission
from seewhy.schemas.job import Job, JobState
from seewhy.storage.obstore_adapter import ObstoreAdapter

JOB = Job(
    model="m", method="gradcam", targets=(-1,), outputs=("overlay",), image_key=IMAGE_KEY,
    image_width_px=451, image_height_px=300,
)  # fmt: skip


class NoWakeups(WakeupPublisher):
    def notify(self, lane: str, *, times: int = 1) -> bool:
        return True


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests of each kind, as on S3, where a write needs no read to be verified."""
    counts: Counter[str] = Counter()

    def count(name: str) -> None:
        original = getattr(ObstoreAdapter, name)

        def counted(self: ObstoreAdapter, *args: object, **options: object) -> object:
            counts[name] += 1
            return original(self, *args, **options)

        monkeypatch.setattr(ObstoreAdapter, name, counted)

    monkeypatch.setattr(ObstoreAdapter, "_verify_content", lambda *_: None)
    for name in ("put", "get", "delete", "list_keys", "check"):
        count(name)
    return counts


def test_a_job_makes_as_many_requests_as_plans_count(
    worker: InMemoryWorker, requests: Counter[str], photos: Path
) -> None:
    [job_id] = job_ids(1)
    wakeups = NoWakeups(create_celery("redis://127.0.0.1:1/0", lanes=[]))
    submitter = JobSubmitter(ledger=worker.ledger, store=worker.store, wakeups=wakeups)
    image = UploadedImage(IMAGE_KEY, (photos / "cat.jpg").read_bytes(), "image/jpeg")

    submitter.submit(Manifest(submission=Submission(job_id, LANE, JOB.model_dump_json())), image)
    worker.run()

    assert worker.states([job_id]) == [JobState.SUCCEEDED]
    assert requests == {"put": PUTS_PER_JOB, "get": GETS_PER_JOB}
