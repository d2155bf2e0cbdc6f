"""Images in other buckets than the service's own: `s3://BUCKET/KEY`, from buckets on a list."""

import logging
import threading

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from seewhy.errors import ImageTooLarge, ImageUnreachable, ImageUrlRefused, StoreUnavailable
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import credentials, open_bucket

SCHEME = "s3://"
MAX_KEY_BYTES = 1_024

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
        except (FileNotFoundError, PermissionDeniedError, UnauthenticatedError) as error:
            _log.info("No image from the bucket %s: %s", bucket, str(error).partition("\n")[0])
            raise ImageUnreachable(
                "The bucket of image_url has no such object, or the service may not read it."
            ) from error
        except BaseError as error:
            message = f"the bucket {bucket}: {str(error).partition(chr(10))[0]}"
            raise StoreUnavailable(message) from error

    def _parse(self, url: str) -> tuple[str, str]:
        """Split a URL. A key is taken as it is: nothing in it is percent-decoded."""
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if bucket not in self._settings.image_buckets:
            raise ImageUrlRefused("The operator has not allowed the bucket of image_url.")
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
