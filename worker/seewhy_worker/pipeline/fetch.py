"""Fetching: from a claim to an explanation task."""

import time
from dataclasses import dataclass, replace

from seewhy.imaging.arrays import ImageArray
from seewhy.ledger.types import Claim
from seewhy.schemas.job import Job
from seewhy.schemas.passes import forward_passes, likely_passes
from seewhy_worker.explain.types import Explainer, ExplanationTask
from seewhy_worker.pipeline.exposure import Exposure
from seewhy_worker.pipeline.job_images import JobImages


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """A claimed job with its image fetched and prepared for the network."""

    claim: Claim
    job: Job
    image: ImageArray | None
    """(H, W, 3) RGB, upright, at its original size, if it is needed again and was kept."""
    tasks: tuple[ExplanationTask, ...]
    """One for each requested method at each requested layer, in order."""
    prepare_ms: float

    @property
    def passes(self) -> float:
        """The forward passes that the explanation may take."""
        options = (task.options for task in self.tasks)
        return forward_passes(*options, targets=len(self.job.targets))

    @property
    def likely_passes(self) -> float:
        """The forward passes that it takes unless a fallback runs."""
        options = (task.options for task in self.tasks)
        return likely_passes(*options, targets=len(self.job.targets))


class ImageFetcher:
    """Fetches, decodes and prepares the images of claimed jobs. Thread-safe."""

    def __init__(self, *, images: JobImages, exposure: Exposure) -> None:
        """Fetch from `images`; tell `exposure` before an image is decoded."""
        self._images = images
        self._exposure = exposure

    def fetch(self, claim: Claim, explainer: Explainer) -> FetchedJob:
        """Fetch and prepare an image; a quarantined job is exposed from then on.

        Raises `BadImage`, `InvalidRequest`, `ImageGone`, `StoreUnavailable` and `ExposureRefused`.
        """
        started = time.perf_counter()
        job = Job.model_validate_json(claim.job)
        body = self._images.read(job)
        reference = self._images.read_reference(job)
        self._exposure.begin(claim)
        prepared, image = self._images.prepare(job, body, explainer, reference=reference)
        inputs = tuple(sorted(job.inputs.items()))
        prepared = replace(prepared, cache_key=job.image_key, inputs=inputs)
        tasks = tuple(
            ExplanationTask.create(prepared, job.targets, options) for options in job.method_options
        )
        elapsed_ms = (time.perf_counter() - started) * 1000
        return FetchedJob(claim, job, image, tasks, prepare_ms=elapsed_ms)
