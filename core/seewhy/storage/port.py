"""The port: what the parts of seewhy need of an object store, and no more."""

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Bytes under keys. Keys are `/`-separated and made by `seewhy.storage.keys` alone.

    Every method raises `StoreUnavailable` when the store does not answer in time.
    """

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Write `body` whole, replacing what was there, and check that it arrived whole."""
        ...

    def get(self, key: str) -> bytes:
        """Read the object; raise `ObjectAbsent` when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object. An absent one is no error."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys under `prefix`, a whole folder such as `results/<id>/`."""
        ...

    def link(self, key: str, *, expires_s: int) -> str | None:
        """Presign a GET, or return None where the store has no web address of its own."""
        ...

    def check(self) -> None:
        """Return when the store can be reached and the bucket exists."""
        ...
