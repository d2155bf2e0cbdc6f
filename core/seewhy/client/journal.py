"""The journal of `explain_many`: what was asked and what has ended, one JSON document a line.

| line | written |
|---|---|
| `{"journal": 1, "request": {…}}` | first |
| `{"batch": KEY, "images": [NAME, …]}` | before a batch is sent; its body is in `FILE.sending` |
| `{"batch": KEY, "id": ID}` | when the service has accepted it |
| `{"batch": KEY, "images": []}` | when it is too large for the service, and is divided |
| `{"image": NAME, "explanation": {…}}` | when an item has ended |
| `{"image": NAME, "error": {…}}` | when it has ended without one, or is too large alone |

So a process that is killed leaves at most one batch without an id. The next process sends the same
body with the same idempotency key, and the service returns the batch if it has it already.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from seewhy.client.errors import JournalUnusable
from seewhy.client.images import Image, ImageId

VERSION = 1


@dataclass
class SentBatch:
    """A batch that the service has, or may have."""

    key: str
    names: list[str]
    id: str | None = None
    ended: set[int] = field(default_factory=set)
    """The indices of the items that have ended."""

    @property
    def open_items(self) -> int:
        """How many items have not ended."""
        return len(self.names) - len(self.ended)


class Journal:
    """An open journal. Only one process has it open at a time. Reads and writes block."""

    def __init__(self, path: Path, request: Mapping[str, Any]) -> None:
        """Open or create the journal of a request.

        Raises `JournalUnusable` when the file is something else, belongs to another request, is in
        use, or cannot be opened.
        """
        self.body_path = path.with_name(f"{path.name}.sending")
        self._path = path
        self._offsets: dict[str, int] = {}
        self._batches: dict[str, SentBatch] = {}
        self._last_key: dict[str, str] = {}
        """Name of an image → the last batch that has asked for it."""
        try:
            with ExitStack() as opened:
                self._file: IO[bytes] = opened.enter_context(path.open("a+b"))
                import fcntl  # noqa: PLC0415  (not on Windows, where all else of the client works)

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._read(json.loads(json.dumps(request)))
                opened.pop_all()
        except BlockingIOError:
            raise JournalUnusable(f"{path} is in use by another process") from None
        except OSError as error:
            raise JournalUnusable(f"{path} cannot be opened: {error.strerror}") from error

    def open_batches(self) -> list[SentBatch]:
        """Return the batches of which some items had not ended."""
        for batch in self._batches.values():
            batch.ended = {
                index
                for index, name in enumerate(batch.names)
                if name in self._offsets or self._last_key[name] != batch.key
            }
        return [batch for batch in self._batches.values() if batch.open_items]

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what was recorded for an image; None if it has not ended."""
        offset = self._offsets.get(name)
        if offset is None:
            return None
        self._file.seek(offset)
        line: dict[str, Any] = json.loads(self._file.readline())
        return line

    def record_sending(self, batch: SentBatch) -> None:
        """Note that a batch is about to be sent."""
        self._append({"batch": batch.key, "images": batch.names})
        self._add(batch)

    def record_accepted(self, batch: SentBatch) -> None:
        """Note the id of a batch."""
        self._append({"batch": batch.key, "id": batch.id})

    def record_divided(self, batch: SentBatch) -> None:
        """Note that a batch has no images any more: other batches will ask for them."""
        self.record_sending(SentBatch(batch.key, []))

    def record_end(self, name: str, outcome: Mapping[str, Any]) -> None:
        """Note what became of an image: `explanation` or `error`."""
        self._offsets[name] = self._append({"image": name, **outcome})

    def close(self) -> None:
        """Close the file. Remove the body unless a batch must be sent again."""
        if all(batch.id for batch in self.open_batches()):
            self.body_path.unlink(missing_ok=True)
        self._file.close()

    def _append(self, line: Mapping[str, Any]) -> int:
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(_encode(line))
        self._file.flush()
        return offset

    def _read(self, request: Any) -> None:
        header = {"journal": VERSION, "request": request}
        self._file.seek(0)
        end = 0
        for raw in iter(self._file.readline, b""):
            if not raw.endswith(b"\n"):  # the process was killed while it wrote this line
                if end == 0 and not _encode(header).startswith(raw):
                    raise self._is_another_file()
                break
            try:
                self._take(dict(json.loads(raw)), offset=end, request=request)
            except (ValueError, TypeError, KeyError) as error:
                raise self._is_another_file() from error
            end += len(raw)
        self._file.truncate(end)
        if end == 0:
            self._append(header)

    def _is_another_file(self) -> JournalUnusable:
        return JournalUnusable(f"{self._path} is not a journal of explain_many")

    def _take(self, line: dict[str, Any], *, offset: int, request: Any) -> None:
        if offset == 0:
            if line["journal"] != VERSION:
                raise self._is_another_file()
            if line["request"] != request:
                raise JournalUnusable(
                    f"{self._path} is the journal of another request: "
                    f"{json.dumps(line['request'])}. Name another file, or delete this one."
                )
        elif "image" in line:
            self._offsets[line["image"]] = offset
        elif "images" in line:
            self._add(SentBatch(line["batch"], line["images"]))
        elif "id" in line:
            self._batches[line["batch"]].id = line["id"]

    def _add(self, batch: SentBatch) -> None:
        self._batches[batch.key] = batch
        self._last_key.update(dict.fromkeys(batch.names, batch.key))


def _encode(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def name_of(image: Image) -> str:
    """Return what identifies an image in a journal: a changed file has another name.

    Raises `OSError` when a file does not exist.
    """
    if isinstance(image, Path):
        status = image.stat()
        return f"{image.absolute()}?size={status.st_size}&modified_ns={status.st_mtime_ns}"
    if isinstance(image, bytes):
        return f"sha256:{hashlib.sha256(image).hexdigest()}"
    return f"id:{image}" if isinstance(image, ImageId) else image
