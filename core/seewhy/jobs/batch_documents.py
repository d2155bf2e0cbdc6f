"""What the object store keeps of a batch: its manifest, and its items in chunks.

Both are written before the ledger accepts the batch. The acceptor writes a chunk again when it has
read the images that its items name.
"""

import contextlib
from typing import Literal

from pydantic import Field

from seewhy.errors import ObjectNotFound
from seewhy.ledger.types import BatchSubmission, Quotas, Submission
from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.request import ExplanationRequest
from seewhy.storage.keys import batch_key, cancellation_key, chunk_key
from seewhy.storage.port import ObjectStore

ITEMS_PER_CHUNK = 100
"""The ledger takes a chunk in one step, which must not block it for long: 65 µs an item."""


class ListedImages(StoredModel):
    """Where the images of a batch are listed, and what to explain of each."""

    prefix: str = Field(description="s3://BUCKET/PREFIX/")
    request: ExplanationRequest


class BatchOptions(StoredModel):
    """What a batch tells its acceptor. The ledger stores it as JSON."""

    quotas: Quotas | None = Field(None, description="Those of the API key that sent the batch.")
    items_per_chunk: int = ITEMS_PER_CHUNK
    listed: ListedImages | None = Field(None, description="Instead of items that were sent.")
    retry_of: str | None = Field(None, description="The batch whose failed items these are.")
    retry: int = Field(0, description="How many batches it repeats, one after the other.")


class BatchManifest(StoredModel):
    """An accepted batch, as the object store keeps it."""

    format: Literal[1]
    submission: BatchSubmission


class Refusal(StoredModel):
    """Why an item became no job."""

    code: str
    detail: str
    late: bool = Field(False, description="Whether the batch had been accepted before.")


class NamedImage(StoredModel):
    """An image that is read after the batch was accepted, and what to explain of it."""

    source: Literal["image_id", "image_url"]
    name: str
    request: ExplanationRequest

    @property
    def is_url(self) -> bool:
        """Whether the image is at a URL."""
        return self.source == "image_url"


class StoredItem(StoredModel):
    """One item: a job to submit, an image to read first, or a refusal."""

    key: str | None = Field(None, description="The client's name of the item.")
    submission: Submission | None = None
    passes: int = 0
    image: NamedImage | None = None
    refusal: Refusal | None = None


class Chunk(StoredModel):
    """Consecutive items of a batch."""

    format: Literal[1]
    batch_id: str
    first: int = Field(description="The index of the first item.")
    items: tuple[StoredItem, ...]
    complete: bool = Field(False, description="Whether a listing ends with it.")
    failure: Refusal | None = Field(None, description="Why a listing failed.")


class BatchDocuments:
    """Reads and writes the documents of batches. All methods raise `StoreUnavailable`."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep them in `store`."""
        self._store = store

    def write_chunk(self, number: int, chunk: Chunk) -> None:
        """Write a chunk, replacing an earlier version."""
        self._write(chunk_key(chunk.batch_id, number), chunk)

    def read_chunk(self, batch_id: str, number: int) -> Chunk:
        """Read a chunk. Raises `ObjectNotFound`."""
        return Chunk.model_validate_json(self._store.get(chunk_key(batch_id, number)))

    def write_manifest(self, manifest: BatchManifest) -> None:
        """Write the manifest: from here on the batch is durable."""
        self._write(batch_key(manifest.submission.batch_id), manifest)

    def read_manifest(self, batch_id: str) -> BatchManifest:
        """Read a manifest. Raises `ObjectNotFound`."""
        return BatchManifest.model_validate_json(self._store.get(batch_key(batch_id)))

    def read_submission(self, batch_id: str, index: int) -> Submission:
        """Read the submission of an item. Raises `ObjectNotFound`."""
        manifest = self.read_manifest(batch_id)
        options = BatchOptions.model_validate_json(manifest.submission.batch)
        number, offset = divmod(index, options.items_per_chunk)
        submission = self.read_chunk(batch_id, number).items[offset].submission
        if submission is None:
            raise ObjectNotFound(f"Item {index} of batch {batch_id} is no job.")
        return submission

    def delete_manifest(self, batch_id: str) -> None:
        """Withdraw a batch that was not accepted."""
        with contextlib.suppress(ObjectNotFound):
            self._store.delete(batch_key(batch_id))

    def write_cancellation(self, batch_id: str) -> None:
        """Write that the batch was cancelled, so that a rebuild does not run it."""
        self._store.put(cancellation_key(batch_id), b"{}", content_type="application/json")

    def _write(self, key: str, document: StoredModel) -> None:
        body = document.model_dump_json(exclude_defaults=True).encode()
        self._store.put(key, body, content_type="application/json")
