"""Groups the items of a batch: a few at once to check, more of them to store together."""

from collections.abc import Iterable, Iterator

from seewhy.batches.new_batch import SentItem
from seewhy.jobs.batch_documents import ITEMS_PER_CHUNK, StoredItem

WINDOW_ITEMS = 16
WINDOW_BYTES = 16_000_000
"""How much of a batch is in memory at once, apart from one item that is larger."""


def windows_of(items: Iterable[SentItem]) -> Iterator[list[SentItem]]:
    """Group items so that few of them are in memory."""
    window: list[SentItem] = []
    size_bytes = 0
    for item in items:
        if window and (len(window) == WINDOW_ITEMS or size_bytes + item.size_bytes > WINDOW_BYTES):
            yield window
            window, size_bytes = [], 0
        window.append(item)
        size_bytes += item.size_bytes
    if window:
        yield window


def chunks_of(items: Iterable[StoredItem]) -> Iterator[list[StoredItem]]:
    """Group items into chunks."""
    chunk: list[StoredItem] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == ITEMS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
