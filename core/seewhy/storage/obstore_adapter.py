"""The object store behind the port: S3, a local directory or memory, all through obstore."""

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
from seewhy.storage.error_messages import error_message
from seewhy.storage.port import ObjectStore

if TYPE_CHECKING:
    from obstore.store import (
        ClientConfig,
        RetryConfig,
        S3Config,
        S3Credential,
        S3CredentialProvider,
    )

# A refused connection fails in 0.3 s, a silent server in 4 s, and at worst a server that first
# answers 5xx and then falls silent in 5 s. An upload has 4 s in all, a download 4 s per read.
_CLIENT: "ClientConfig" = {
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
_MAX_LINK_S = 7 * 86_400
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class ObstoreAdapter:
    """The port over one obstore store. Threads may share it; forked processes may not.

    `public` is the bucket as clients reach it, for presigned links.
    """

    def __init__(
        self, store: S3Store | LocalStore | MemoryStore, *, public: S3Store | None = None
    ) -> None:
        self._store = store
        self._public = public
        self._remote = isinstance(store, S3Store)
        self._typed = not isinstance(store, LocalStore)  # obstore keeps no types on disk

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Write the object in one request; `StoreUnavailable` when another content is found."""
        _require_key(key)
        with _translated():
            written = obstore.put(
                self._store,
                key,
                body,
                attributes={"Content-Type": content_type} if self._typed else None,
                use_multipart=False,
            )
        tag = (written["e_tag"] or "").strip('"')
        if tag != md5(body, usedforsecurity=False).hexdigest():
            self._read_back(key, body)

    def _read_back(self, key: str, body: bytes) -> None:
        # An ETag is the content's MD5 only on S3, and not even there under KMS encryption.
        try:
            intact = self.get(key) == body
        except ObjectNotFound:
            intact = False
        if not intact:
            raise StoreUnavailable(f"the object store kept another content under {key}")

    def get(self, key: str) -> bytes:
        """Read the object; raise `ObjectAbsent` when there is none."""
        _require_key(key)
        with _translated():
            try:
                return obstore.get(self._store, key).bytes().to_bytes()
            except FileNotFoundError as error:
                if self._remote and "<Code>NoSuchKey</Code>" not in str(error):
                    raise  # a missing bucket, or a proxy's own page: the object may well exist
                raise ObjectNotFound(f"no object under {key}") from error

    def delete(self, key: str) -> None:
        """Remove the object. An absent one is no error."""
        _require_key(key)
        with _translated():
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                if self._remote:
                    raise  # S3 says nothing of an absent key, so this is an absent bucket

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys under the folder `prefix`, which ends in `/`, in no set order."""
        _require_key(prefix.removesuffix("/"))
        if not prefix.endswith("/"):
            raise ValueError(f"not a folder: {prefix!r}")
        with _translated():
            for page in obstore.list(self._store, prefix):
                for found in page:
                    yield found["path"]

    def link(self, key: str, *, expires_s: int) -> str | None:
        """Presign a GET for 1 s to 7 days, the limits of S3; None where nobody serves it."""
        _require_key(key)
        if not 1 <= expires_s <= _MAX_LINK_S:
            raise ValueError(f"a link lasts 1 to {_MAX_LINK_S} seconds, not {expires_s}")
        if self._public is None:
            return None
        with _translated():
            return obstore.sign(self._public, "GET", key, timedelta(seconds=expires_s))

    def check(self) -> None:
        """Return when the store can be reached and lists its content."""
        if isinstance(self._store, LocalStore):
            directory = self._store.prefix
            if directory is None or not directory.is_dir() or not os.access(directory, os.W_OK):
                raise StoreUnavailable(f"{directory} is not a directory that can be written to")
        for _ in self.keys("check/"):
            return


def open_store(settings: Settings) -> ObjectStore:
    """Open the store of `settings`, creating a local directory (mode 0700) that is absent.

    Asks nothing of a server: that is `check`. Raises `SettingsError` when the directory cannot
    be made or when there are no credentials.
    """
    if settings.store_url.startswith("file://"):
        return _open_directory(directory_of(settings.store_url))
    provider = _credentials(settings)
    public_endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    return ObstoreAdapter(
        _open_s3(settings, endpoint=settings.s3_endpoint, provider=provider),
        public=_open_s3(settings, endpoint=public_endpoint, provider=provider),
    )


def memory_store() -> ObjectStore:
    """Return an empty store that lives and dies with this process."""
    return ObstoreAdapter(MemoryStore())


def directory_of(store_url: str) -> Path:
    """Return the directory that a `file://` URL names, percent-encoded or not."""
    return Path(unquote(store_url.removeprefix("file://")))


def _open_directory(directory: Path) -> ObjectStore:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"SEEWHY_STORE_URL: cannot create {directory}: {error}") from error
    return ObstoreAdapter(LocalStore(directory, automatic_cleanup=True))


def _open_s3(
    settings: Settings, *, endpoint: str | None, provider: "S3CredentialProvider"
) -> S3Store:
    place: S3Config = {"region": settings.s3_region}
    if endpoint is not None:
        place["endpoint"] = endpoint.rstrip("/")
    return S3Store(
        settings.store_url.removeprefix("s3://"),
        config=place,
        credential_provider=provider,
        client_options={**_CLIENT, "allow_http": (endpoint or "").startswith("http://")},
        retry_config=_RETRY,
    )


def _credentials(settings: Settings) -> "S3CredentialProvider":
    key_id, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    if key_id is not None and secret is not None:
        credential: S3Credential = {
            "access_key_id": key_id,
            "secret_access_key": secret.get_secret_value(),
            "token": None,
            "expires_at": None,
        }
        # Not passed as options: those would be mixed with an AWS_SESSION_TOKEN of the machine.
        return lambda: credential
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415  (boto3 takes 0.45 s)

    try:
        return Boto3CredentialProvider()
    except ValueError as error:
        raise SettingsError(
            "no S3 credentials: set SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY, "
            "or give the machine AWS credentials of its own"
        ) from error


def _require_key(key: str) -> None:
    # Stricter than any of the stores, so that all of them refuse the same keys.
    if not _KEY.fullmatch(key):
        raise ValueError(f"not a key of the object store: {key!r}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (
        FileNotFoundError,
        GenericError,
        PermissionDeniedError,
        UnauthenticatedError,
    ) as error:
        report = str(error)
        code = _CODE.search(report)
        raise StoreUnavailable(
            error_message(code[1] if code else None, report.partition("\n")[0])
        ) from error
