"""Zip archives in tests: ordinary, damaged and hostile."""

import io
import stat
import warnings
from collections.abc import Iterable
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

FILE_SIGNATURE, ENTRY_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02"
"""APPNOTE 4.3.7 and 4.3.12: what the header of a file and its entry in the directory begin with."""


def archive_of(
    files: Iterable[tuple[str | ZipInfo, bytes]], *, compression: int = ZIP_STORED
) -> bytes:
    """Return an archive of files, in their order; names may repeat."""
    body = io.BytesIO()
    with ZipFile(body, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name twice
        for name, content in files:
            archive.writestr(name, content)
    return body.getvalue()


def symbolic_link(name: str) -> ZipInfo:
    """Return the entry of a symbolic link."""
    link = ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


def encrypted(archive: bytes) -> bytes:
    """Mark all files of an archive as encrypted (APPNOTE 4.4.4: bit 0 of the flags)."""
    return _patched(archive, file_offset=6, entry_offset=8, value=0x1)


def with_method(archive: bytes, method: int) -> bytes:
    """Name another compression method for all files (APPNOTE 4.4.5)."""
    return _patched(archive, file_offset=8, entry_offset=10, value=method)


def bomb(size_bytes: int) -> bytes:
    """Return an archive of one file of zeros, a thousandth of their size."""
    return archive_of([("zeros.png", bytes(size_bytes))], compression=ZIP_DEFLATED)


def overlapping(entries: int, size_bytes: int) -> bytes:
    """Return an archive whose entries all name the same bytes, so that it unpacks without end."""
    archive = bomb(size_bytes)
    start, end = archive.index(ENTRY_SIGNATURE), archive.index(b"PK\x05\x06")
    entry, tail = archive[start:end], bytearray(archive[end:])
    tail[8:12] = entries.to_bytes(2, "little") * 2
    tail[12:16] = (entries * len(entry)).to_bytes(4, "little")
    return archive[:start] + entry * entries + bytes(tail)


def _patched(archive: bytes, *, file_offset: int, entry_offset: int, value: int) -> bytes:
    patched = bytearray(archive)
    for signature, offset in ((FILE_SIGNATURE, file_offset), (ENTRY_SIGNATURE, entry_offset)):
        position = patched.find(signature)
        while position >= 0:
            patched[position + offset] = value
            position = patched.find(signature, position + 4)
    return bytes(patched)
