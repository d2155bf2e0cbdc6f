"""Intake: from a claim to a picture that the network takes."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seewhy import images
from seewhy.errors import BrokenImage, ObjectAbsent
from seewhy.explanations import Job
from seewhy.ledger.records import Claim
from seewhy.objects.store import ObjectStore
from seewhy_worker.explained import ExplainerPort, Prepared


@dataclass(frozen=True, slots=True)
class Ready:
    """A claimed job with its picture fetched, decoded and brought to the network's input."""

    claim: Claim
    job: Job
    photo: NDArray[np.uint8]
    """(height, width, 3) RGB, upright, at its own size."""
    prepared: Prepared
    prepare_ms: float


class Intake:
    """Fetches and decodes pictures; many threads at once."""

    def __init__(self, *, store: ObjectStore, max_pixels: int) -> None:
        """Fetch from this store."""
        self._store = store
        self._max_pixels = max_pixels

    def fetch(self, claim: Claim, explainer: ExplainerPort) -> Ready:
        """Make one claim ready. Raises `BadImage` or its kinds, and `StoreUnavailable`."""
        started = time.perf_counter()
        job = Job.model_validate_json(claim.job)
        try:
            body = self._store.get(job.image_key)
        except ObjectAbsent as error:
            raise BrokenImage("the picture is no longer in the object store") from error
        photo = images.decode(body, max_pixels=self._max_pixels)
        prepared = explainer.prepare(photo)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return Ready(claim, job, photo, prepared, prepare_ms=elapsed_ms)
