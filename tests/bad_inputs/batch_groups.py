"""Batches: archives and JSON lines. Only what applies to a whole batch is refused."""

import json
from collections.abc import Iterable

from bad_inputs.case import IMAGE_BASE64, JPEG, JSON, Case, form, part
from zip_archives import archive_of, bomb, encrypted, overlapping, symbolic_link, with_method

BATCHES = "/v1/batches"
NDJSON = "application/x-ndjson"


def archive_case(name: str, archive: bytes, *statuses: int) -> Case:
    body = form(part("archive", archive, file="a.zip", kind="application/zip"))
    return Case(f"archive: {name}", set(statuses), body, path=BATCHES)


def archives() -> Iterable[Case]:
    good = archive_of([("a.jpg", JPEG)])
    yield archive_case("valid", good, 202)
    yield archive_case("empty", archive_of([]), 422)
    yield archive_case("no bytes", b"", 422)
    yield archive_case("an image", JPEG, 422)
    for cut in (1, 10, 30, len(good) // 2):
        yield archive_case(f"cut by {cut}", good[:-cut], 422)
    yield archive_case("data before it", JPEG + good, 202)
    yield archive_case("encrypted", encrypted(good), 202)
    for method in (1, 9, 12, 14, 93, 99, 255):
        yield archive_case(f"method {method}", with_method(good, method), 202)
    yield archive_case("an archive inside", archive_of([("a.zip", good)]), 202)
    yield archive_case("a symbolic link", archive_of([(symbolic_link("a.jpg"), b"/etc")]), 202)
    yield archive_case("a name twice", archive_of([("a.jpg", JPEG)] * 2), 202)
    for name in ("../../etc/passwd", "/etc/passwd", "C:\\a", "x" * 60_000, "\u202egpj.exe", "a\nb"):
        yield archive_case(f"file {name[:20]!r}", archive_of([(name, JPEG)]), 202)
    yield archive_case("hidden files only", archive_of([(".a", JPEG), ("__MACOSX/b", JPEG)]), 422)
    yield archive_case("a bomb", bomb(9_000_000), 202)
    yield archive_case("a large bomb", bomb(300_000_000), 202)
    yield archive_case("a bomb of 60,000 entries", overlapping(60_000, 9_000_000), 413)
    yield archive_case("a bomb of 9,000 entries", overlapping(9_000, 900_000), 413)
    yield archive_case("60,000 files", archive_of([(f"{n}", b"") for n in range(60_000)]), 413)
    for offset in range(len(good) - 60, len(good), 7):
        damaged = good[:offset] + b"\xff\xff\xff\xff" + good[offset + 4 :]
        yield archive_case(f"damaged at {offset}", damaged, 202, 413, 422)


def batches() -> Iterable[Case]:
    line = json.dumps({"image_base64": IMAGE_BASE64}).encode()
    for name, body, kind, *statuses in (
        ("valid", line, NDJSON, 202),
        ("no body", b"", NDJSON, 422),
        ("blank lines", b"\n \n\t\n" * 1_000, NDJSON, 422),
        ("no JSON", b"{", NDJSON, 202),
        ("null bytes", bytes(1_000), NDJSON, 202),
        ("10,001 items", b"{}\n" * 10_001, NDJSON, 413),
        ("a line of 20 MB", b"x" * 20_000_000, NDJSON, 202),
        ("deep", b"[" * 100_000, NDJSON, 202),
        ("another type", line, "text/plain", 422),
        ("a form without an archive", form(part("image", JPEG, file="a.jpg")), None, 422),
        ("two archives", form(*[part("archive", JPEG, file="a")] * 2), None, 422),
        ("a large request", form(part("request", b" " * 400_000)), None, 413, 422),
        ("a large request file", form(part("request", b" " * 400_000, file="r")), None, 413, 422),
        ("10,000 parts", form(*[part(f"p{n}", b"x") for n in range(10_000)]), None, 413),
    ):
        case = Case(f"batch: {name}", set(statuses), body, path=BATCHES)
        yield case._replace(content_type=kind) if kind else case
    for path in ("nothing", "results", "%00", "x" * 3_000):
        for rest in ("", "/results", "/events", "/overlays.zip"):
            where = f"{BATCHES}/{path}{rest}"
            yield Case(f"batch {path[:9]}{rest}", {400, 404}, method="GET", path=where)
    for method in ("GET", "PUT", "DELETE"):
        yield Case(f"{method} {BATCHES}", {405}, b"", JSON, method=method, path=BATCHES)
