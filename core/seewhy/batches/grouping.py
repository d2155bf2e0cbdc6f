"""Groups the items of a batch: a few at once to check, more of them to store together."""

from collections.abc import Iterable, Iterator

from seewhy.jobs.batch_documents import ITEMS_PER_CHUNK, StoredItem

WINDOW_ITEMS = 16
WINDOW_BYTES = 16_000_000
"""How much of a batch is in memory at once, apart from one item that is larger."""


def windows_of(lines: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Group lines so that few of them are in memory."""
    window: list[tuple[int, bytes]] = []
    size_bytes = 0
    for numbered in lines:
        if window and (len(window) == WINDOW_ITEMS or size_bytes + len(numbered[1]) > WINDOW_BYTES):
            yield window
            window, size_bytes = [], 0
        window.append(numbered)
        size_bytes += len(numbered[1])
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
