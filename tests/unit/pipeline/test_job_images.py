"""Images that are kept, or decoded again, between preparing and drawing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from seewhy.imaging import codecs
from seewhy.schemas.job import JobState

SUCCEEDED = (JobState.SUCCEEDED, None)


@pytest.fixture
def small_worker(photos: Path) -> Iterator[InMemoryWorker]:
    """A worker whose images each exceed its whole budget."""
    worker = InMemoryWorker(budget_pixels=1)
    body = (photos / "cat.jpg").read_bytes()
    worker.store.put(IMAGE_KEY, body, content_type="image/jpeg")
    yield worker
    worker.io_threads.shutdown()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the images that are decoded, in bytes."""
    sizes: list[int] = []
    decode = codecs.decode

    def recorded(body: bytes, *, max_pixels: int) -> object:
        sizes.append(len(body))
        return decode(body, max_pixels=max_pixels)

    monkeypatch.setattr(codecs, "decode", recorded)
    return sizes


def test_full_batches_of_images_beyond_the_budget_succeed_one_image_at_a_time(
    small_worker: InMemoryWorker, decoded: list[int]
) -> None:
    jobs = job_ids(9)
    small_worker.submit(*jobs)
    small_worker.run()
    assert small_worker.outcomes(jobs) == [SUCCEEDED] * 9
    assert max(small_worker.explainer.batch_sizes) == 4
    assert len(decoded) == 2 * 9


def test_an_image_that_fits_is_decoded_once(worker: InMemoryWorker, decoded: list[int]) -> None:
    jobs = job_ids(9)
    worker.submit(*jobs)
    worker.run()
    assert worker.outcomes(jobs) == [SUCCEEDED] * 9
    assert len(decoded) == 9


def test_an_image_that_is_not_drawn_is_decoded_once(
    small_worker: InMemoryWorker, decoded: list[int]
) -> None:
    (job,) = job_ids(1)
    small_worker.submit(job, outputs=())
    small_worker.run()
    assert small_worker.outcome(job) == SUCCEEDED
    assert len(decoded) == 1


def test_the_overlay_is_the_same_whether_the_image_was_kept_or_decoded_again(
    worker: InMemoryWorker, small_worker: InMemoryWorker
) -> None:
    (job,) = job_ids(1)
    overlays = []
    for each in (worker, small_worker):
        each.submit(job)
        each.run()
        overlays.append(each.store.get(f"results/{job}/1/overlay.jpg"))
    assert overlays[0] == overlays[1]


def test_a_job_fails_when_its_image_expires_before_it_is_drawn(
    small_worker: InMemoryWorker,
) -> None:
    (job,) = job_ids(1)
    small_worker.submit(job)
    small_worker.explainer.before_batch = lambda _: small_worker.store.delete(IMAGE_KEY)
    small_worker.run()
    assert small_worker.outcome(job) == (JobState.FAILED, "image_gone")
