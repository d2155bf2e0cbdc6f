"""The images of jobs, decoded within a budget of pixels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from seewhy.errors import ImageGone, ObjectNotFound
from seewhy.imaging import codecs
from seewhy.imaging.arrays import ImageArray
from seewhy.imaging.pixel_budget import PixelBudget, pixel_cost
from seewhy.schemas.job import Job
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import Explainer, PreparedImage
from seewhy_worker.ports.scoring import Scoring

Output = TypeVar("Output")


class JobImages:
    """Fetches and decodes the images of jobs. Thread-safe; one per worker process.

    A job needs its decoded image twice, to prepare the network's input and to draw the overlay,
    and waits for the device between the two. Its image is kept if it fits into a second budget,
    and decoded again otherwise. A job therefore never waits for pixels while it holds some.
    """

    def __init__(self, *, store: ObjectStore, max_pixels: int, budget_pixels: int) -> None:
        """Decode and draw `budget_pixels` at once, keep as many; refuse images of `max_pixels`."""
        self._store = store
        self._max_pixels = max_pixels
        self._budget = PixelBudget(pixels=budget_pixels)
        self._kept = PixelBudget(pixels=budget_pixels)

    def read(self, job: Job) -> bytes:
        """Fetch the encoded image of a job. Raises `ImageGone` and `StoreUnavailable`."""
        try:
            return self._store.get(job.image_key)
        except ObjectNotFound as error:
            raise ImageGone("The image expired before the job ran; submit it again.") from error

    def read_reference(self, job: Job) -> bytes | None:
        """Fetch the encoded image that a job compares with. Raises as `read` does."""
        if job.reference is None:
            return None
        try:
            return self._store.get(job.reference.key)
        except ObjectNotFound as error:
            raise ImageGone(
                "The reference expired before the job ran; send it and submit the image again."
            ) from error

    def prepare(
        self, job: Job, body: bytes, explainer: Explainer, *, reference: bytes | None = None
    ) -> tuple[PreparedImage, ImageArray | None]:
        """Return the network's input, and the image if it is needed again and fits.

        Raises `BadImage`, and `InvalidRequest` when nothing of the job's selection is scored.
        """

        def prepare(image: ImageArray) -> tuple[PreparedImage, ImageArray | None]:
            kept = self._kept.keep(image) if "overlay" in job.outputs else None
            return explainer.prepare(image, within=job.within), kept

        prepared, kept = self._decoded(_size(job), body, prepare)
        if reference is None or job.reference is None:
            return prepared, kept
        size = job.reference.width_px, job.reference.height_px
        other = self._decoded(size, reference, explainer.prepare)
        return replace(prepared, scoring=Scoring(reference=other.pixels)), kept

    def draw(self, job: Job, kept: ImageArray | None, draw: Callable[[ImageArray], bytes]) -> bytes:
        """Draw on the image of a job, which is decoded again if it was not kept.

        Raises `ImageGone` and `StoreUnavailable`.
        """
        if kept is None:
            return self._decoded(_size(job), self.read(job), draw)
        with self._budget.reserve(job.image_width_px * job.image_height_px):
            return draw(kept)

    @contextmanager
    def reserved(self, job: Job) -> Iterator[None]:
        """Hold the pixels of a job's image for the length of the block, without the image."""
        with self._budget.reserve(job.image_width_px * job.image_height_px):
            yield

    def _decoded(
        self, size: tuple[int, int], body: bytes, use: Callable[[ImageArray], Output]
    ) -> Output:
        """Decode an image of this size, (width, height) in pixels."""
        width_px, height_px = size
        cost = pixel_cost(body, width_px=width_px, height_px=height_px)
        with self._budget.reserve(cost):
            # Without a name, the image is freed before its pixels are.
            return use(codecs.decode(body, max_pixels=self._max_pixels))


def _size(job: Job) -> tuple[int, int]:
    return job.image_width_px, job.image_height_px
