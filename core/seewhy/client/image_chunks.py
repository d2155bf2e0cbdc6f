"""Reads images into the bodies of batches, each of bounded size."""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO
from uuid import uuid4

from seewhy.client.batch_items import item_line
from seewhy.client.connection import Connection
from seewhy.client.image_result import ImageResult
from seewhy.client.images import Image
from seewhy.client.journal import Journal, SentBatch, name_of

MAX_BODY_BYTES = 32_000_000
"""A chunk is sent once it has this many bytes, base64 included."""


@dataclass
class Chunk:
    """The images that were read, and what need not be asked."""

    batch: SentBatch
    body: IO[bytes]
    ready: list[ImageResult] = field(default_factory=list)
    """Images that an earlier run has explained, and files that cannot be read."""


class ImageChunks:
    """Takes images from an iterator, a chunk at a time. Reads block."""

    def __init__(
        self, images: Iterable[Image], journal: Journal | None, connection: Connection
    ) -> None:
        """Skip what `journal` has; results get this `connection`."""
        self._images: Iterator[Image] = iter(images)
        self._journal = journal
        self._connection = connection
        self._again: deque[Image] = deque()
        self.waiting: dict[str, list[Image]] = {}
        """Name of an image that was asked → the images of that name so far."""
        self.exhausted = False

    def ask_again(self, names: Iterable[str]) -> None:
        """Put back the images of items that the service does not have."""
        for name in names:
            self._again.extend(self.waiting.pop(name, ()))
        self.exhausted = False

    def expect(self, batch: SentBatch) -> None:
        """Ask nothing for the open items of a batch that the service has."""
        for index, name in enumerate(batch.names):
            if index not in batch.ended:
                self.waiting.setdefault(name, [])

    def read_chunk(self, max_items: int) -> Chunk:
        """Read the next images, at most `max_items` to ask and `max_items` others."""
        chunk = Chunk(SentBatch(str(uuid4()), []), self._open_body())
        try:
            while len(chunk.batch.names) < max_items and len(chunk.ready) < max_items:
                if chunk.body.tell() >= MAX_BODY_BYTES or not self._take(chunk):
                    break
            chunk.body.flush()
        except BaseException:
            chunk.body.close()
            raise
        return chunk

    def _take(self, chunk: Chunk) -> bool:
        """Read one image; return whether there was one."""
        image = self._again.popleft() if self._again else next(self._images, None)
        if image is None:
            self.exhausted = True
            return False
        try:
            name = name_of(image)
        except OSError as error:
            chunk.ready.append(ImageResult.unreadable(image, error))
            return True
        outcome = self._journal.read(name) if self._journal else None
        if outcome is not None:
            chunk.ready.append(
                ImageResult.of(image, outcome, connection=self._connection, resumed=True)
            )
        elif name in self.waiting:
            self.waiting[name].append(image)
        else:
            self._write(chunk, name, image)
        return True

    def _write(self, chunk: Chunk, name: str, image: Image) -> None:
        try:
            line = item_line(image)
        except OSError as error:
            chunk.ready.append(ImageResult.unreadable(image, error))
            return
        chunk.body.write(line)
        chunk.batch.names.append(name)
        self.waiting[name] = [image]

    def _open_body(self) -> IO[bytes]:
        if self._journal is None:
            return tempfile.TemporaryFile()
        return self._journal.body_path.open("w+b")
