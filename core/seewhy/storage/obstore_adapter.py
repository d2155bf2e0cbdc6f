"""The object store on obstore: S3, a local directory or memory."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import obstore
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, S3Store

from seewhy.errors import ObjectNotFound, SettingsError, StoreUnavailable
from seewhy.settings import Settings
from seewhy.storage.error_messages import error_code, error_message
from seewhy.storage.port import ObjectStore

if TYPE_CHECKING:
    from obstore.store import (
        ClientConfig,
        RetryConfig,
        S3Config,
        S3Credential,
        S3CredentialProvider,
    )

# A refused connection fails after 0.3 s, a silent server after 4 s, and a server that sends 5xx
# and then hangs after 5 s. The limit is 4 s for a whole upload and 4 s per read of a download.
_CLIENT_OPTIONS: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=1.5),
    "read_timeout": timedelta(seconds=4),
}
_RETRY: "RetryConfig" = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=0.5),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(milliseconds=300),
        "base": 2,
    },
}
_MAX_EXPIRES_S = 7 * 86_400
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class ObstoreAdapter:
    """Implements `ObjectStore`. Safe to share between threads, not across a fork."""

    def __init__(
        self, store: S3Store | LocalStore | MemoryStore, *, public: S3Store | None = None
    ) -> None:
        """Use this store; presign URLs with `public`, the same bucket at its public endpoint."""
        self._store = store
        self._public = public
        self._is_s3 = isinstance(store, S3Store)
        self._keeps_content_type = not isinstance(store, LocalStore)

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Write the object in one request, replacing any other, and verify the stored content.

        Raises `StoreUnavailable` when the store does not respond or keeps different content.
        """
        _require_key(key)
        with _translate_errors():
            written = obstore.put(
                self._store,
                key,
                body,
                attributes={"Content-Type": content_type} if self._keeps_content_type else None,
                use_multipart=False,
            )
        tag = (written["e_tag"] or "").strip('"')
        if tag != md5(body, usedforsecurity=False).hexdigest():
            self._verify_content(key, body)

    def _verify_content(self, key: str, body: bytes) -> None:
        # The ETag proves nothing here: it is no MD5 on local disks or under KMS encryption.
        try:
            intact = self.get(key) == body
        except ObjectNotFound:
            intact = False
        if not intact:
            raise StoreUnavailable(f"The object store keeps different content under {key}.")

    def get(self, key: str) -> bytes:
        """Read the object. Raises `ObjectNotFound` when it does not exist."""
        _require_key(key)
        with _translate_errors():
            try:
                return obstore.get(self._store, key).bytes().to_bytes()
            except FileNotFoundError as error:
                if self._is_s3 and "<Code>NoSuchKey</Code>" not in str(error):
                    raise  # no bucket, or a proxy's error page: the object may exist
                raise ObjectNotFound(f"No object under {key}.") from error

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        _require_key(key)
        with _translate_errors():
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                if self._is_s3:
                    raise  # S3 reports no error for a missing key: the bucket is missing

    def list_keys(self, prefix: str) -> Iterator[str]:
        """List all keys in a folder, in any order. `prefix` ends in `/`."""
        _require_key(prefix.removesuffix("/"))
        if not prefix.endswith("/"):
            raise ValueError(f"Not a folder: {prefix!r}")
        with _translate_errors():
            for page in obstore.list(self._store, prefix):
                for entry in page:
                    yield entry["path"]

    def presigned_url(self, key: str, *, expires_s: int) -> str | None:
        """Return a URL that serves the object without credentials until it expires.

        Returns None when the store is not S3. Raises `ValueError` unless the URL expires after
        1 s to 7 days, the range that S3 accepts.
        """
        _require_key(key)
        if not 1 <= expires_s <= _MAX_EXPIRES_S:
            raise ValueError(f"expires_s must be 1 to {_MAX_EXPIRES_S}, not {expires_s}.")
        if self._public is None:
            return None
        with _translate_errors():
            return obstore.sign(self._public, "GET", key, timedelta(seconds=expires_s))

    def check(self) -> None:
        """Verify that the store responds and that the bucket or directory exists."""
        if isinstance(self._store, LocalStore):
            directory = self._store.prefix
            if directory is None or not directory.is_dir() or not os.access(directory, os.W_OK):
                raise StoreUnavailable(f"{directory} is not a writable directory.")
        for _ in self.list_keys("check/"):
            return


def open_store(settings: Settings) -> ObjectStore:
    """Open the configured store. Creates a missing local directory with mode 0700.

    Does not contact a server; `check` does. Raises `SettingsError` when the directory cannot be
    created or no S3 credentials are found.
    """
    if settings.store_url.startswith("file://"):
        return _open_directory(path_of_file_url(settings.store_url))
    provider = credentials(settings)
    bucket = settings.store_url.removeprefix("s3://")
    public_endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    return ObstoreAdapter(
        open_bucket(settings, bucket, endpoint=settings.s3_endpoint, provider=provider),
        public=open_bucket(settings, bucket, endpoint=public_endpoint, provider=provider),
    )


def memory_store() -> ObjectStore:
    """Return a new, empty in-memory store."""
    return ObstoreAdapter(MemoryStore())


def path_of_file_url(url: str) -> Path:
    """Return the path in a `file://` URL, percent-decoded."""
    return Path(unquote(url.removeprefix("file://")))


def _open_directory(directory: Path) -> ObjectStore:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"SEEWHY_STORE_URL: cannot create {directory}: {error}.") from error
    return ObstoreAdapter(LocalStore(directory, automatic_cleanup=True))


def open_bucket(
    settings: Settings, bucket: str, *, endpoint: str | None, provider: "S3CredentialProvider"
) -> S3Store:
    """Open a bucket, without contacting its server."""
    config: S3Config = {"region": settings.s3_region}
    if endpoint is not None:
        config["endpoint"] = endpoint.rstrip("/")
    return S3Store(
        bucket,
        config=config,
        credential_provider=provider,
        client_options={**_CLIENT_OPTIONS, "allow_http": (endpoint or "").startswith("http://")},
        retry_config=_RETRY,
    )


def credentials(settings: Settings) -> "S3CredentialProvider":
    """Return the operator's credentials. Raises `SettingsError` when there are none."""
    key_id, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    if key_id is not None and secret is not None:
        credential: S3Credential = {
            "access_key_id": key_id,
            "secret_access_key": secret.get_secret_value(),
            "token": None,
            "expires_at": None,
        }
        # obstore would combine keys given as options with the machine's AWS_SESSION_TOKEN.
        return lambda: credential
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415  (boto3 takes 0.45 s)

    try:
        return Boto3CredentialProvider()
    except ValueError as error:
        raise SettingsError(
            "No S3 credentials. Set SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY, "
            "or configure AWS credentials on this machine."
        ) from error


def _require_key(key: str) -> None:
    # Stricter than each store, so that all stores refuse the same keys.
    if not _KEY.fullmatch(key):
        raise ValueError(f"Not an object key: {key!r}")


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (
        FileNotFoundError,
        GenericError,
        PermissionDeniedError,
        UnauthenticatedError,
    ) as error:
        report = str(error)
        message = error_message(error_code(report), report.partition("\n")[0])
        raise StoreUnavailable(message) from error
