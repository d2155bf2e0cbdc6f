"""Where images come from: sent with a request, sent before, or named by a URL.

Every source becomes an image that has been checked and can be stored. All that can go wrong is an
error of the request.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from seewhy.errors import InvalidRequest, ObjectNotFound, UnknownImage
from seewhy.imaging import codecs
from seewhy.imaging.codecs import ImageHeader
from seewhy.jobs.submission import UploadedImage
from seewhy.schemas.context import RequestContext
from seewhy.schemas.request import ExplanationRequest
from seewhy.settings import Settings
from seewhy.storage.keys import image_key, is_image_id
from seewhy.storage.port import ObjectStore

BUCKET_SCHEME = "s3://"


@dataclass(frozen=True)
class SentImage:
    """An encoded image in the request itself."""

    body: bytes

    @cached_property
    def identity(self) -> str:
        """What makes two requests the same: the image, however it is sent."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image that the tenant has sent before."""

    image_id: str

    @property
    def identity(self) -> str:
        """The same as that of the image itself."""
        return self.image_id


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image at a URL: https, http or s3."""

    url: str

    @property
    def identity(self) -> str:
        """The URL: a retry must not depend on what it has later."""
        return f"url {self.url}"


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """A checked image of one tenant, ready to be stored."""

    image_id: str
    header: ImageHeader
    upload: UploadedImage

    @property
    def identity(self) -> str:
        """The same as that of the image itself."""
        return self.image_id


ImageSource = SentImage | KnownImage | RemoteImage | ResolvedImage


class RemoteImages(Protocol):
    """Where remote images are read."""

    def check(self, url: str) -> None:
        """Raise `ImageUrlRefused` when no image may come from this URL, without reading it."""
        ...

    def read(self, url: str, *, client: str) -> bytes:
        """Read what a URL has, for `client`.

        Raises `ImageUrlRefused`, `ImageUnreachable`, `ImageTooLarge`, `Overloaded` and
        `Unavailable`.
        """
        ...


class ImageFolders(RemoteImages, Protocol):
    """Where remote images are read and listed."""

    def check_prefix(self, url: str) -> None:
        """Raise `ImageUrlRefused` when no images may be listed there."""
        ...

    def list_urls(self, prefix: str, *, after: str | None = None) -> Iterator[tuple[str, int]]:
        """Yield the URL and the size in bytes of each object, in order, after the URL `after`.

        Raises `ImageUrlRefused`, `ImageUnreachable` and `StoreUnavailable`.
        """
        ...


class ImageResolver:
    """Resolves sources. One per process, used by many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: ObjectStore,
        downloads: RemoteImages,
        buckets: ImageFolders,
    ) -> None:
        """Read the images that were sent before from `store`, others from URLs and buckets."""
        self._settings = settings
        self._store = store
        self._downloads = downloads
        self.buckets = buckets

    def prepare(self, source: ImageSource, *, context: RequestContext) -> ImageSource:
        """Check what needs no server: an image in the request itself, an id, a URL.

        Raises `InvalidRequest` and `BadImage`.
        """
        if isinstance(source, SentImage):
            return self.resolve(source, context=context)
        if isinstance(source, KnownImage) and not is_image_id(source.image_id):
            raise InvalidRequest("image_id must be the image_id that POST /v1/images returned.")
        if isinstance(source, RemoteImage):
            self._remote(source).check(source.url)
        return source

    def resolve(self, source: ImageSource, *, context: RequestContext) -> ResolvedImage:
        """Read and check an image for the tenant in `context`; nothing is written.

        Reading a remote image may take as long as `SEEWHY_IMAGE_URL_TIMEOUT_S`. Raises
        `InvalidRequest` or a subclass, `BadImage`, `Overloaded` and `Unavailable`.
        """
        if isinstance(source, ResolvedImage):
            return source
        if isinstance(source, SentImage):
            return self._check(source, tenant=context.tenant)
        if isinstance(source, RemoteImage):
            body = self._remote(source).read(source.url, client=context.tenant)
        else:
            body = self._read(source, context=context)
        return self._check(SentImage(body), tenant=context.tenant)

    def resolve_reference(
        self, request: ExplanationRequest, *, context: RequestContext
    ) -> ResolvedImage | None:
        """Read and check the image that a request compares with, if it names one.

        Raises `InvalidRequest` or a subclass, `BadImage` and `Unavailable`.
        """
        if request.reference is None:
            return None
        try:
            return self.resolve(KnownImage(request.reference.image_id), context=context)
        except UnknownImage as error:
            raise UnknownImage(f"The reference: {error}") from error

    def _remote(self, source: RemoteImage) -> RemoteImages:
        return self.buckets if source.url.startswith(BUCKET_SCHEME) else self._downloads

    def store(self, image: ResolvedImage) -> None:
        """Store an image, or renew its retention. Raises `StoreUnavailable`."""
        upload = image.upload
        self._store.put(upload.key, upload.body, content_type=upload.media_type)

    def _read(self, source: KnownImage, *, context: RequestContext) -> bytes:
        """Read an image that the tenant has sent; another tenant's is as unknown as any other."""
        self.prepare(source, context=context)
        try:
            return self._store.get(image_key(source.image_id, tenant=context.tenant))
        except ObjectNotFound as error:
            raise UnknownImage(
                "There is no image with this id: it was not sent, or it is past its retention. "
                "Send the image again."
            ) from error

    def _check(self, image: SentImage, *, tenant: str) -> ResolvedImage:
        header = codecs.read_header(
            image.body,
            max_bytes=self._settings.max_upload_bytes,
            max_pixels=self._settings.max_pixels,
            max_side_px=self._settings.max_side_px,
        )
        key = image_key(image.identity, tenant=tenant)
        upload = UploadedImage(key, image.body, header.media_type)
        return ResolvedImage(image.identity, header, upload)
