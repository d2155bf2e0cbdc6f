"""Lists the objects in a folder of a bucket as the items of a batch, a chunk at a time.

A chunk that is in the store is not listed again, even if another process wrote it: its items may
be jobs already. A listing continues after the last chunk, and objects that come or go meanwhile
move no item.
"""

from collections.abc import Callable, Iterator

from seewhy.batches.item_jobs import refusal_of
from seewhy.errors import BatchTooLarge, InvalidRequest, ObjectNotFound
from seewhy.jobs.batch_documents import (
    BatchDocuments,
    BatchOptions,
    Chunk,
    ListedImages,
    NamedImage,
    StoredItem,
)
from seewhy.jobs.image_sources import ImageFolders


class BatchLister:
    """Lists the items of batches. One per process, used by many threads."""

    def __init__(self, *, documents: BatchDocuments, folders: ImageFolders, max_items: int) -> None:
        """List at most `max_items` images, and in one turn leave out as many empty objects."""
        self._documents = documents
        self._folders = folders
        self._max_items = max_items

    def chunks(
        self,
        batch_id: str,
        options: BatchOptions,
        *,
        first: int,
        only_stored: bool,
        before_writing: Callable[[], None],
    ) -> Iterator[Chunk]:
        """Yield the chunks from the item `first` on, each once it is in the store.

        The last one is complete, and says so if the listing failed. With `only_stored`, nothing is
        listed. `before_writing` may raise. Raises `Unavailable`.
        """
        number = first // options.items_per_chunk
        last = self._stored(batch_id, number - 1) if number else None
        while stored := self._stored(batch_id, number):
            yield stored
            last, number = stored, number + 1
        if options.listed is None or only_stored or (last and last.complete):
            return
        for chunk in self._list(batch_id, options.listed, options.items_per_chunk, last):
            before_writing()
            self._documents.write_chunk(number, chunk)
            yield chunk
            number += 1

    def _stored(self, batch_id: str, number: int) -> Chunk | None:
        try:
            return self._documents.read_chunk(batch_id, number)
        except ObjectNotFound:
            return None

    def _list(
        self, batch_id: str, listed: ListedImages, size: int, last: Chunk | None
    ) -> Iterator[Chunk]:
        """Yield the chunks after the chunk `last`."""
        first = last.first + len(last.items) if last else 0
        after = f"{listed.prefix}{last.items[-1].key}" if last else None
        chunk = Chunk(format=1, batch_id=batch_id, first=first, items=())
        items: list[StoredItem] = []
        try:
            for item in self._items(listed, count=first, after=after):
                if len(items) == size:
                    yield chunk.model_copy(update={"items": tuple(items)})
                    chunk = chunk.model_copy(update={"first": chunk.first + size})
                    items = []
                items.append(item)
        except InvalidRequest as error:
            yield chunk.model_copy(update={"complete": True, "failure": refusal_of(error)})
        else:
            yield chunk.model_copy(update={"items": tuple(items), "complete": True})

    def _items(
        self, listed: ListedImages, *, count: int, after: str | None
    ) -> Iterator[StoredItem]:
        """Yield the items after the first `count`.

        Raises `BatchTooLarge`, and `InvalidRequest` when there is none.
        """
        left_out = 0
        for url, size_bytes in self._folders.list_urls(listed.prefix, after=after):
            if size_bytes == 0:  # most often what a console creates for a folder
                left_out += 1
            else:
                count += 1
            if max(count, left_out) > self._max_items:
                raise BatchTooLarge(
                    f"A batch has at most {self._max_items:,} items, and image_prefix has more "
                    "objects. Choose a folder with fewer."
                )
            if size_bytes:
                image = NamedImage(source="image_url", name=url, request=listed.request)
                yield StoredItem(key=url.removeprefix(listed.prefix), image=image)
        if not count:
            raise InvalidRequest("image_prefix has no objects, apart from empty ones.")
