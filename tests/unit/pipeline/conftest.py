"""The worker that the pipeline's tests run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from in_memory_worker import IMAGE_KEY, InMemoryWorker


@pytest.fixture
def worker(photos: Path) -> Iterator[InMemoryWorker]:
    """A worker with the photo of a cat in its store."""
    worker = InMemoryWorker()
    worker.store.put(IMAGE_KEY, (photos / "cat.jpg").read_bytes(), content_type="image/jpeg")
    yield worker
    worker.io_threads.shutdown()
