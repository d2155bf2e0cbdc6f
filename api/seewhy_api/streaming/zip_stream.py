"""Writes zip archives piece by piece, so that their size does not matter."""

import io
from collections.abc import Iterable, Iterator
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo


def zip_stream(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield an archive of files, each a name and its content, stored without compression.

    One file is in memory at a time. An archive that breaks off has no directory at its end, so
    readers notice.
    """
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for name, body in files:
            archive.writestr(ZipInfo(name), body)
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Collects what is written. It cannot seek, so the sizes follow each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
