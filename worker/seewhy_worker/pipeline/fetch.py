"""Fetching: from a claim to an explanation task."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import ImageGone, ObjectNotFound
from seewhy.imaging import codecs
from seewhy.ledger.types import Claim
from seewhy.schemas.job import Job
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import Explainer, ExplanationTask
from seewhy_worker.pipeline.exposure import Exposure


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """A claimed job with its image fetched, decoded and prepared for the network."""

    claim: Claim
    job: Job
    image: NDArray[np.uint8]
    """(H, W, 3) RGB, upright, at its original size."""
    task: ExplanationTask
    prepare_ms: float


class ImageFetcher:
    """Fetches, decodes and prepares the images of claimed jobs. Thread-safe."""

    def __init__(self, *, store: ObjectStore, exposure: Exposure, max_pixels: int) -> None:
        """Fetch from `store` and refuse images of more than `max_pixels`."""
        self._store = store
        self._exposure = exposure
        self._max_pixels = max_pixels

    def fetch(self, claim: Claim, explainer: Explainer) -> FetchedJob:
        """Fetch and prepare an image; a quarantined job is exposed from then on.

        Raises `BadImage`, `ImageGone`, `StoreUnavailable` and `ExposureRefused`.
        """
        started = time.perf_counter()
        job = Job.model_validate_json(claim.job)
        try:
            body = self._store.get(job.image_key)
        except ObjectNotFound as error:
            raise ImageGone("The image expired before the job ran; submit it again.") from error
        self._exposure.begin(claim)
        image = codecs.decode(body, max_pixels=self._max_pixels)
        task = ExplanationTask.create(explainer.prepare(image), job.targets, job.method_options)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return FetchedJob(claim, job, image, task, prepare_ms=elapsed_ms)
