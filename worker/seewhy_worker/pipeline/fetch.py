"""Intake: from a claim to a picture that the network takes."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import ImageGone, ObjectNotFound
from seewhy.imaging import codecs
from seewhy.ledger.types import Claim
from seewhy.schemas.job import Job
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import Explainer, PreparedImage


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """A claimed job with its picture fetched, decoded and brought to the network's input."""

    claim: Claim
    job: Job
    photo: NDArray[np.uint8]
    """(height, width, 3) RGB, upright, at its own size."""
    prepared: PreparedImage
    prepare_ms: float


class ImageFetcher:
    """Fetches and decodes pictures; many threads at once."""

    def __init__(self, *, store: ObjectStore, max_pixels: int) -> None:
        """Fetch from this store."""
        self._store = store
        self._max_pixels = max_pixels

    def fetch(self, claim: Claim, explainer: Explainer) -> FetchedJob:
        """Make one claim ready. Raises `BadImage`, `ImageGone` and `StoreUnavailable`."""
        started = time.perf_counter()
        job = Job.model_validate_json(claim.job)
        try:
            body = self._store.get(job.image_key)
        except ObjectNotFound as error:
            raise ImageGone("The image expired before the job ran; submit it again.") from error
        photo = codecs.decode(body, max_pixels=self._max_pixels)
        prepared = explainer.prepare(photo)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return FetchedJob(claim, job, photo, prepared, prepare_ms=elapsed_ms)
