"""The items of zip archives, and what hostile archives get."""

import io
import random
import tracemalloc
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import ENCODED
from seewhy.batches.archive_items import MAX_PATH_CHARACTERS, ArchiveLimits, archive_items
from seewhy.batches.new_batch import SentItem
from seewhy.errors import BadImage, BatchTooLarge, ImageTooLarge, InvalidRequest
from seewhy.jobs.image_sources import SentImage
from seewhy.schemas.request import ExplanationRequest
from zip_archives import archive_of, bomb, encrypted, overlapping, symbolic_link, with_method

LIMITS = ArchiveLimits(max_items=20, max_image_bytes=2_000_000, max_unpacked_bytes=5_000_000)
REQUEST = ExplanationRequest()
JPEG, PNG = ENCODED["JPEG"], ENCODED["PNG"]


def read(archive: bytes, **limits: int) -> list[SentItem]:
    changed = ArchiveLimits(
        **{name: limits.get(name, getattr(LIMITS, name)) for name in LIMITS.__slots__}
    )
    return list(archive_items(io.BytesIO(archive), REQUEST, changed))


def content(item: SentItem) -> bytes:
    source = item.parse().source
    assert isinstance(source, SentImage)
    return source.body


@pytest.mark.parametrize("compression", [0, ZIP_DEFLATED])
def test_each_file_is_an_item_named_by_its_path(compression: int) -> None:
    files = [("photos/cat.jpg", JPEG), ("photos/été 1.png", PNG), ("readme.txt", b"text")]
    items = read(archive_of(files, compression=compression))
    assert [(item.key, content(item)) for item in items] == files
    assert [item.parse().request for item in items] == [REQUEST] * 3
    assert [item.size_bytes for item in items] == [len(body) for _, body in files]


@pytest.mark.parametrize("compression", [0, ZIP_DEFLATED])
def test_a_file_may_be_larger_than_any_directory(compression: int) -> None:
    body = random.Random(1).randbytes(1_000_000) + b"PK\x01\x02" * 250_000
    (item,) = read(archive_of([("large.png", body)], compression=compression))
    assert content(item) == body


def test_folders_and_hidden_files_are_left_out() -> None:
    left_out = ["photos/", ".DS_Store", "a/.hidden/b.jpg", "__MACOSX/photos/._cat.jpg", "a/._b.jpg"]
    items = read(archive_of([(name, b"x") for name in [*left_out, "a/b.jpg"]]))
    assert [item.key for item in items] == ["a/b.jpg"]
    with pytest.raises(InvalidRequest, match="no files"):
        read(archive_of([(name, b"x") for name in left_out]))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x.jpg", "C:\\x.jpg"])
def test_a_path_that_leads_elsewhere_is_only_a_name(name: str) -> None:
    (item,) = read(archive_of([(name, JPEG)]))
    assert (item.key, content(item)) == (name, JPEG)


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (archive_of([(symbolic_link("link.jpg"), b"/etc/passwd")]), "Symbolic links"),
        (encrypted(archive_of([("a.jpg", JPEG)])), "encrypted"),
        (archive_of([("a.jpg", JPEG)], compression=ZIP_BZIP2), "other than Deflate"),
        (archive_of([("a.jpg", JPEG)], compression=ZIP_LZMA), "other than Deflate"),
        (with_method(archive_of([("a.jpg", JPEG)]), 99), "other than Deflate"),
        (archive_of([("x" * (MAX_PATH_CHARACTERS + 1), JPEG)]), "1,024 characters"),
        (archive_of([("a.jpg", JPEG)]).replace(JPEG[20:40], bytes(20)), "damaged"),
        (archive_of([("a.jpg", JPEG)]).replace(b"a.jpg", b"b.jpg", 1), "damaged"),
        (archive_of([("large.png", bytes(2_000_001))]), "the limit is 2000000"),
        (bomb(2_000_000), "100 times its size"),
    ],
)
def test_a_file_that_cannot_be_unpacked_is_refused_alone(archive: bytes, reason: str) -> None:
    (item,) = read(archive)
    assert item.key is not None
    with pytest.raises((InvalidRequest, BadImage), match=reason):
        item.parse()


def test_an_archive_inside_the_archive_is_not_unpacked() -> None:
    inner = archive_of([("a.jpg", JPEG)])
    (item,) = read(archive_of([("inner.zip", inner)]))
    assert content(item) == inner, "one item, which is no image"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        JPEG,
        archive_of([])[:-1],
        archive_of([("a.jpg", JPEG)])[:-30],
        archive_of([("é.jpg", JPEG)]).replace("é".encode(), b"\xff\xff"),
        b"PK\x05\x06" + b"\xff" * 18,
        b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + b"\xff" * 16 + b"\0\0",
    ],
)
def test_what_is_no_archive_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(body)


def test_an_archive_has_a_limited_number_of_files() -> None:
    assert len(read(archive_of([(f"{n}.jpg", b"x") for n in range(20)]))) == 20
    with pytest.raises(BatchTooLarge, match="20 items"):
        read(archive_of([(f"{n}.jpg", b"x") for n in range(21)]))


def test_files_unpack_to_a_limited_size_together() -> None:
    files = [(f"{n}.png", bytes(1_000_000)) for n in range(6)]
    with pytest.raises(BatchTooLarge, match="5,000,000 bytes"):
        read(archive_of(files))
    items = read(archive_of([*files[:5], ("video.mp4", bytes(2_500_000))]))
    with pytest.raises(ImageTooLarge):
        items[5].parse()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: overlapping(60_000, 1_000_000), BatchTooLarge),
        (lambda: archive_of([(f".{n}", b"") for n in range(60_000)]), BatchTooLarge),
        (lambda: archive_of([(f".{n}" + "x" * 60_000, b"") for n in range(300)]), BatchTooLarge),
    ],
)
def test_a_directory_without_end_takes_little_memory(
    make: Callable[[], bytes], error: type[Exception]
) -> None:
    archive = make()
    tracemalloc.start()
    try:
        with pytest.raises(error):
            read(archive)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_500_000


@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: Any) -> None:
    archive = bytearray(archive_of([("a.jpg", JPEG), ("b.png", PNG)], compression=ZIP_DEFLATED))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        for item in read(bytes(archive)):
            assert len(content(item)) <= LIMITS.max_image_bytes
    except (InvalidRequest, BadImage):
        pass
