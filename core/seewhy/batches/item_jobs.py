"""Turns the items of a batch into jobs to submit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from seewhy.errors import BadImage, InvalidRequest
from seewhy.ids import item_job_id
from seewhy.jobs.batch_documents import ListedImages, NamedImage, Refusal, StoredItem
from seewhy.jobs.image_sources import (
    BUCKET_SCHEME,
    ImageResolver,
    ImageSource,
    KnownImage,
    RemoteImage,
    ResolvedImage,
)
from seewhy.jobs.job_builder import ValidatedRequest, build_submission
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.types import Quotas, Submission
from seewhy.schemas.context import RequestContext
from seewhy.schemas.request import ExplanationRequest

MAX_DETAIL_CHARACTERS = 500
IMAGES_AT_ONCE = 8
"""How many images are read between two renewals of the lease, unless they are downloaded."""


@dataclass(frozen=True, slots=True)
class BatchOwner:
    """The batch of an item, and for whom it runs."""

    batch_id: str
    context: RequestContext
    quotas: Quotas | None


class ItemJobs:
    """Makes jobs of items. One per process, used by many threads."""

    def __init__(
        self, *, service: SubmitService, images: ImageResolver, downloads_at_once: int
    ) -> None:
        """Validate requests as `service` does, and read images with `images`."""
        self._service = service
        self._images = images
        self._downloads_at_once = downloads_at_once

    def check(self, owner: BatchOwner, listed: ListedImages) -> None:
        """Check a folder and a request for its images. Raises `InvalidRequest` or a subclass."""
        self._service.validate(listed.request, owner.context, owner.quotas)
        self._images.buckets.check_prefix(listed.prefix)

    def prepare(
        self, owner: BatchOwner, index: int, source: ImageSource, request: ExplanationRequest
    ) -> StoredItem:
        """Check an item of a new batch; store the image that it holds.

        An image that the item names is read later. Raises `InvalidRequest`, `BadImage` and
        `StoreUnavailable`.
        """
        validated = self._service.validate(request, owner.context, owner.quotas)
        source = self._images.prepare(source, context=owner.context)
        if isinstance(source, KnownImage | RemoteImage):
            return StoredItem(image=_named(source, request))
        image = self._images.resolve(source, context=owner.context)
        submission = self._store_images(owner, index, image, validated)
        return _job_item(owner, index, submission, validated)

    def images_at_once(self, items: Iterable[StoredItem]) -> int:
        """Return how many images of these items may be read at once."""
        urls = (item.image.name for item in items if item.image and item.image.is_url)
        downloaded = any(not url.startswith(BUCKET_SCHEME) for url in urls)
        return self._downloads_at_once if downloaded else IMAGES_AT_ONCE

    def resolve(self, owner: BatchOwner, index: int, item: StoredItem) -> StoredItem:
        """Read the image that an item names; return the item as a job or as a refusal.

        Raises `Unavailable` and `Overloaded`; the item can then be resolved later.
        """
        if item.image is None:
            return item
        try:
            validated = self._service.validate(item.image.request, owner.context, owner.quotas)
            image = self._images.resolve(_source(item.image), context=owner.context)
            submission = self._store_images(owner, index, image, validated)
        except (InvalidRequest, BadImage) as error:
            return StoredItem(key=item.key, refusal=refusal_of(error, late=True))
        resolved = _job_item(owner, index, submission, validated)
        return resolved.model_copy(update={"key": item.key})

    def _store_images(
        self, owner: BatchOwner, index: int, image: ResolvedImage, validated: ValidatedRequest
    ) -> Submission:
        """Store the image, and the one that it is compared with; return the job of the item."""
        reference = self._images.resolve_reference(validated.request, context=owner.context)
        job_id = item_job_id(owner.batch_id, index)
        submission = build_submission(job_id, image, validated, reference=reference)
        for each in (image, reference):
            if each:
                self._images.store(each)
        return submission


def refusal_of(error: InvalidRequest | BadImage, *, late: bool = False) -> Refusal:
    """Return why an item was refused."""
    return Refusal(code=error.code, detail=str(error)[:MAX_DETAIL_CHARACTERS], late=late)


def _job_item(
    owner: BatchOwner, index: int, submission: Submission, validated: ValidatedRequest
) -> StoredItem:
    passes = validated.charge.passes if validated.charge else 0
    return StoredItem(
        submission=replace(submission, batch=owner.batch_id, batch_index=index),
        passes=passes,
    )


def _named(source: KnownImage | RemoteImage, request: ExplanationRequest) -> NamedImage:
    if isinstance(source, KnownImage):
        return NamedImage(source="image_id", name=source.image_id, request=request)
    return NamedImage(source="image_url", name=source.url, request=request)


_SOURCES: dict[str, Callable[[str], ImageSource]] = {
    "image_id": KnownImage,
    "image_url": RemoteImage,
}


def _source(image: NamedImage) -> ImageSource:
    return _SOURCES[image.source](image.name)
