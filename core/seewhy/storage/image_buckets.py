"""Images in other buckets than the service's own: `s3://BUCKET/KEY`, from buckets on a list."""

import logging
import re
import threading
from collections.abc import Iterator

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from seewhy.errors import ImageTooLarge, ImageUnreachable, ImageUrlRefused, StoreUnavailable
from seewhy.settings import Settings
from seewhy.storage.error_messages import error_code
from seewhy.storage.obstore_adapter import credentials, open_bucket

SCHEME = "s3://"
MAX_KEY_BYTES = 1_024

_REFUSED = (FileNotFoundError, PermissionDeniedError, UnauthenticatedError)
_REFUSED_CODES = {"NoSuchBucket", "AccessDenied", "AllAccessDisabled"}
"""obstore reports the failure of a listing as a generic error, with the answer of the server."""
_STATUS = re.compile(r"status code: (\d{3})")

_log = logging.getLogger(__name__)


class ImageBuckets:
    """Reads images with the operator's endpoint and credentials. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Allow the buckets in `settings`. Contacts no server; raises `SettingsError`."""
        self._settings = settings
        self._credentials = credentials(settings) if settings.image_buckets else None
        self._stores: dict[str, S3Store] = {}
        self._lock = threading.Lock()

    def check(self, url: str) -> None:
        """Raise `ImageUrlRefused` when no image may come from this URL."""
        self._parse(url)

    def read(self, url: str, *, client: str) -> bytes:
        """Read an object, up to the limit on images.

        Raises `ImageUrlRefused`, `ImageUnreachable`, `ImageTooLarge` and `StoreUnavailable`.
        """
        bucket, key = self._parse(url)
        try:
            found = obstore.get(self._store(bucket), key)
            size, limit = found.meta["size"], self._settings.max_upload_bytes
            if size > limit:
                raise ImageTooLarge(f"the image has {size} bytes; the limit is {limit}")
            return found.bytes().to_bytes()
        except _REFUSED as error:
            _log.info("No image from the bucket %s: %s", bucket, _reason(error))
            raise ImageUnreachable(
                "The bucket of image_url has no such object, or the service may not read it."
            ) from error
        except BaseError as error:
            raise StoreUnavailable(f"the bucket {bucket}: {_reason(error)}") from error

    def check_prefix(self, url: str) -> None:
        """Raise `ImageUrlRefused` when no images may be listed there."""
        self._parse_prefix(url)

    def list_urls(self, prefix: str, *, after: str | None = None) -> Iterator[tuple[str, int]]:
        """Yield the URL and the size in bytes of each object in a folder, in order of the URLs.

        Starts after the URL `after`. One page of 1,000 objects is in memory at a time. Raises
        `ImageUrlRefused`, `ImageUnreachable` and `StoreUnavailable`.
        """
        bucket, folder = self._parse_prefix(prefix)
        base = f"{SCHEME}{bucket}/"
        offset = after and after.removeprefix(base)
        try:
            for page in obstore.list(self._store(bucket), folder or None, offset=offset):
                for found in page:
                    # obstore returns the object `a/` as `a`, which may be outside the folder or
                    # appear twice.
                    url = base + found["path"]
                    if url.startswith(prefix) and (after is None or url > after):
                        yield url, found["size"]
        except InvalidPathError as error:
            raise ImageUnreachable(
                "An object in this folder has a key that the service cannot read: a key with `//`, "
                "`/./` or `/../`."
            ) from error
        except BaseError as error:
            _log.info("Cannot list the bucket %s: %s", bucket, _reason(error))
            if isinstance(error, _REFUSED) or error_code(str(error)) in _REFUSED_CODES:
                raise ImageUnreachable(
                    "There is no such bucket, or the service may not list it."
                ) from error
            raise StoreUnavailable(f"the bucket {bucket} cannot be listed") from error

    def _parse_prefix(self, url: str) -> tuple[str, str]:
        """Split the URL of a folder into the bucket and the folder, which is empty or ends in /."""
        bucket, _, folder = url.removeprefix(SCHEME).partition("/")
        self._require_allowed(bucket if url.startswith(SCHEME) else "", "image_prefix")
        segments = folder.split("/")
        valid = url.endswith("/") and len(folder.encode()) <= MAX_KEY_BYTES
        if not valid or {"", ".", ".."} & set(segments[:-1]):
            raise ImageUrlRefused("image_prefix has no valid folder; write s3://BUCKET/FOLDER/.")
        return bucket, folder

    def _require_allowed(self, bucket: str, field: str) -> None:
        if bucket not in self._settings.image_buckets:
            raise ImageUrlRefused(f"The operator has not allowed the bucket of {field}.")

    def _parse(self, url: str) -> tuple[str, str]:
        """Split a URL. A key is taken as it is: nothing in it is percent-decoded."""
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        self._require_allowed(bucket, "image_url")
        segments = key.split("/")
        if not 0 < len(key.encode()) <= MAX_KEY_BYTES or {"", ".", ".."} & set(segments):
            raise ImageUrlRefused("image_url has no valid key; write s3://BUCKET/KEY.")
        return bucket, key

    def _store(self, bucket: str) -> S3Store:
        with self._lock:
            if bucket not in self._stores:
                assert self._credentials is not None  # noqa: S101  (a bucket is allowed)
                self._stores[bucket] = open_bucket(
                    self._settings,
                    bucket,
                    endpoint=self._settings.s3_endpoint,
                    provider=self._credentials,
                )
            return self._stores[bucket]


def _reason(error: Exception) -> str:
    """Return what the server answered. obstore's report has the key, which no log may have."""
    report = str(error)
    status = _STATUS.search(report)
    return error_code(report) or (status[0] if status else "no answer")
