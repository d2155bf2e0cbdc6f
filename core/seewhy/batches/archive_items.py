"""The images of a zip archive as items of a batch.

Archives are not trusted. Nothing is written to disk, so no path in an archive can reach another
file.
The sizes in its directory are checked before anything is unpacked, and no entry unpacks to more
than its size there.
"""

import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from seewhy.batches.new_batch import ParsedItem, SentItem
from seewhy.errors import BatchTooLarge, ImageTooLarge, InvalidRequest
from seewhy.jobs.image_sources import SentImage
from seewhy.schemas.request import ExplanationRequest

MAX_PATH_CHARACTERS = 1_024
MAX_RATIO = 100
"""How many times its size in the archive an entry above `FREE_BYTES` may have."""
FREE_BYTES = 1_000_000
FURTHER_ENTRIES = 1_000
"""Folders and hidden files beside the images; macOS adds a hidden file for each image."""
BYTES_PER_ENTRY = 256
"""How much of the directory an entry takes, on average, at most."""

_ENTRY_SIGNATURE = b"PK\x01\x02"
_ENCRYPTED = 0x1 | 0x40
_METADATA_FOLDER = "__MACOSX"
_BROKEN = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What zipfile raises for archives that are damaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveLimits:
    """How much an archive may hold."""

    max_items: int
    max_image_bytes: int
    max_unpacked_bytes: int
    """The limit on all images together."""


def archive_items(
    file: IO[bytes], request: ExplanationRequest, limits: ArchiveLimits
) -> Iterator[SentItem]:
    """Yield the files of an archive in the order of its directory; the key of an item is its path.

    Folders, hidden files and what macOS adds are left out. A file that cannot be an image is
    refused when it is parsed. Raises `InvalidRequest` when this is no archive of images, and
    `BatchTooLarge` beyond the limits; nothing has been unpacked then.
    """
    archive = _open(file, limits)
    entries = [entry for entry in archive.infolist() if not _is_left_out(entry)]
    if not entries:
        raise InvalidRequest("The archive has no files, apart from hidden ones.")
    if len(entries) > limits.max_items:
        raise BatchTooLarge(f"A batch has at most {limits.max_items:,} items.")
    sizes = [entry.file_size for entry in entries if entry.file_size <= limits.max_image_bytes]
    if sum(sizes) > limits.max_unpacked_bytes:
        raise BatchTooLarge(
            f"The files of an archive have at most {limits.max_unpacked_bytes:,} bytes together, "
            "unpacked."
        )
    for entry in entries:
        size_bytes = min(entry.file_size, limits.max_image_bytes)
        parse = partial(_parse, archive, entry, request, limits.max_image_bytes)
        yield SentItem(size_bytes, parse, entry.filename[:MAX_PATH_CHARACTERS])


class _GuardedFile:
    """The file of an archive. zipfile reads the whole directory at once, whatever its size."""

    def __init__(self, file: IO[bytes], max_entries: int) -> None:
        self._file = file
        self._max_entries = max_entries
        self._max_bytes = max_entries * BYTES_PER_ENTRY
        self.reads_directory = True
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes. Raises `BatchTooLarge` when a directory has too many."""
        if not self.reads_directory:
            return self._file.read(size)
        body = self._file.read(self._max_bytes if size < 0 else min(size, self._max_bytes))
        if size > self._max_bytes or body.count(_ENTRY_SIGNATURE) > self._max_entries:
            raise BatchTooLarge(f"An archive has at most {self._max_entries:,} entries.")
        return body


def _open(file: IO[bytes], limits: ArchiveLimits) -> ZipFile:
    guarded = _GuardedFile(file, 2 * limits.max_items + FURTHER_ENTRIES)
    try:
        archive = ZipFile(guarded)
    except _BROKEN as error:
        raise InvalidRequest("The archive is not a zip file, or it is damaged.") from error
    guarded.reads_directory = False
    return archive


def _is_left_out(entry: ZipInfo) -> bool:
    folders = re.split(r"[/\\]", entry.filename)
    hidden = any(name.startswith(".") and name.strip(".") for name in folders)
    return entry.is_dir() or hidden or folders[0] == _METADATA_FOLDER


def _parse(
    archive: ZipFile, entry: ZipInfo, request: ExplanationRequest, max_bytes: int
) -> ParsedItem:
    """Unpack a file. Raises `InvalidRequest` and `ImageTooLarge`."""
    if len(entry.filename) > MAX_PATH_CHARACTERS:
        raise InvalidRequest(f"A path has at most {MAX_PATH_CHARACTERS:,} characters.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InvalidRequest("Symbolic links are not followed.")
    if entry.flag_bits & _ENCRYPTED:
        raise InvalidRequest("The file is encrypted.")
    if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise InvalidRequest("The file is compressed by a method other than Deflate.")
    if entry.file_size > max_bytes:
        raise ImageTooLarge(f"the file has {entry.file_size} bytes; the limit is {max_bytes}")
    if entry.file_size > max(FREE_BYTES, MAX_RATIO * entry.compress_size):
        raise ImageTooLarge(f"the file unpacks to more than {MAX_RATIO} times its size")
    try:
        with archive.open(entry) as unpacked:
            body = unpacked.read(entry.file_size)
    except _BROKEN as error:
        raise InvalidRequest("The file is damaged, or the archive is.") from error
    return ParsedItem(SentImage(body), request, entry.filename)
