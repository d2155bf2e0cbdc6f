"""An `AsyncClient` reads and writes files in threads, never on the event loop."""

import asyncio
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seewhy.client import AsyncClient
from servers.scripted import Response, scripted
from service_documents import BATCH_ID, batch_document, result_line

ACCEPTED = Response(202, batch_document(total=1, waiting=1))
ENDED = Response(200, batch_document("finished", total=1, refused=1))
REFUSED = Response(
    200, result_line(0, "refused", error={"code": "unsupported_image", "detail": "no image"})
)
LINE = b'{"image_url": "https://photos.example/a"}\n'


class RecordedFile(io.FileIO):
    """A file that notes in which threads it was used, and for what."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self.uses: set[tuple[int, str]] = set()
        self._use("open")
        super().__init__(path, mode.replace("b", ""))

    def read(self, size: int | None = -1) -> bytes:
        self._use("read")
        return super().read(-1 if size is None else size)

    def write(self, data: Any) -> int:
        self._use("write")
        return super().write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._use("seek")
        return super().seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        self._use("truncate")
        return super().truncate(size)

    def close(self) -> None:
        if not self.closed:
            self._use("close")
        super().close()

    def _use(self, operation: str) -> None:
        self.uses.add((threading.get_ident(), operation))


@contextmanager
def recorded_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RecordedFile]]:
    """Record the files that are opened by `Path.open`."""
    files: list[RecordedFile] = []

    def record(path: Path, mode: str = "r") -> RecordedFile:
        files.append(RecordedFile(path, mode))
        return files[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", record)
        yield files


def test_files_are_never_used_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive, a download, and a run that sends a body again and another after it."""
    archive, journal = tmp_path / "photos.zip", tmp_path / "run.ndjson"
    archive.write_bytes(bytes(100_000))
    journal.write_bytes(
        b'{"journal": 1, "request": {}}\n{"batch": "a", "images": ["https://photos.example/a"]}\n'
    )
    journal.with_name("run.ndjson.sending").write_bytes(LINE)

    async def use(url: str) -> int:
        async with AsyncClient(url) as client:
            await client.batches.create_from_archive(archive)
            await client.batches.overlays(BATCH_ID, tmp_path / "overlays.zip")
            images = [f"https://photos.example/{name}" for name in "ab"]
            results = [one async for one in client.explain_many(images, resume=journal)]
        assert [one.image for one in results] == images
        return threading.get_ident()

    # The second batch is sent before the first one is asked for.
    answers = [ACCEPTED, Response(200, b"zip"), ACCEPTED, ACCEPTED, *[ENDED, REFUSED] * 2]
    with scripted(*answers) as server, recorded_files(monkeypatch) as files:
        loop_thread = asyncio.run(use(server.url))
        bodies = [request.body for request in server.requests if request.method == "POST"]
    assert bytes(100_000) in bodies[0]
    assert bodies[1:] == [LINE, LINE.replace(b"/a", b"/b")]
    download, *names = sorted(file.path.name for file in files)
    assert re.fullmatch(r"\.seewhy-[0-9a-f]{16}\.part", download)
    assert names == ["photos.zip", "run.ndjson", *["run.ndjson.sending"] * 2]
    for file in files:
        assert {operation for thread, operation in file.uses if thread == loop_thread} == set()
        assert {"open", "close"} < {operation for _, operation in file.uses}
