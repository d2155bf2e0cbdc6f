"""Read the members of a `.keras` file, a ZIP archive, without unpacking it."""

import io
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.structure import check_length, parse_json

CONFIG_MEMBER, METADATA_MEMBER, WEIGHTS_MEMBER = (
    "config.json",
    "metadata.json",
    "model.weights.h5",
)
_MEMBERS = (CONFIG_MEMBER, METADATA_MEMBER, WEIGHTS_MEMBER)
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1


def check_members(archive: zipfile.ZipFile, file_name: str) -> None:
    """Require the three members that Keras writes, each once and uncompressed.

    Without compression an archive cannot hold more than its own size. Raises `UnsupportedModel`.
    """
    seen: set[str] = set()
    for member in archive.infolist():
        name = member.filename
        if name not in _MEMBERS:
            raise UnsupportedModel(
                f"{file_name} contains {name[:100]!r}, which is not part of a network of Keras "
                f"layers: it may contain only {', '.join(_MEMBERS)}."
            )
        if name in seen:
            raise UnsupportedModel(
                f"{file_name} contains {name} twice: save the model again with `model.save(...)`."
            )
        seen.add(name)
        is_stored = (
            member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        )
        if not is_stored or member.flag_bits & _ENCRYPTED:
            raise UnsupportedModel(
                f"{file_name} contains {name} compressed or encrypted, and Keras writes neither: "
                "save the model again with `model.save(...)`."
            )


def read_json(archive: zipfile.ZipFile, member: str, file_name: str) -> Any:
    """Parse a member, unless it is too large to be read. Raises as `parse_json` does."""
    check_length(archive.getinfo(member).file_size, file_name=file_name)
    return parse_json(archive.read(member), file_name=file_name)


def open_weights(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    """Open the uncompressed weights inside the archive as a file with fast seeking.

    Raises `UnsupportedModel` without weights, and `zipfile.BadZipFile` when they are not where the
    archive says.
    """
    if WEIGHTS_MEMBER not in archive.namelist():
        raise UnsupportedModel(
            f"{path.name} has no {WEIGHTS_MEMBER}: save the whole model with `model.save(...)`."
        )
    member = archive.getinfo(WEIGHTS_MEMBER)
    file = path.open("rb")
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
        file.close()
        raise zipfile.BadZipFile(f"{WEIGHTS_MEMBER} has no header")
    name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
    start = member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    return io.BufferedReader(_Section(file, start=start, size=member.file_size))


class _Section(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, file: IO[bytes], *, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        length = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
