"""The object store interface."""

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Stores bytes under keys. `seewhy.storage.keys` makes the keys.

    Every method raises `StoreUnavailable` when the store does not respond in time.
    """

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Write the object, replacing any other, and verify the stored content."""
        ...

    def get(self, key: str) -> bytes:
        """Read the object. Raises `ObjectNotFound` when it does not exist."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        ...

    def list_keys(self, prefix: str) -> Iterator[str]:
        """List all keys in a folder, in any order. `prefix` ends in `/`."""
        ...

    def presigned_url(self, key: str, *, expires_s: int) -> str | None:
        """Return a URL that serves the object without credentials until it expires.

        Returns None when the store is not reachable over HTTP.
        """
        ...

    def check(self) -> None:
        """Verify that the store responds and that the bucket exists."""
        ...
