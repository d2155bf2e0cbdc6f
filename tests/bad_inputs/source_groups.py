"""Images that a request names by an id or a URL, of which every host is allowed."""

import json
from collections.abc import Iterable
from typing import Any

from bad_inputs.case import IMAGE_BASE64, JPEG, Case, form, json_case, part, upload
from bad_inputs.field_groups import MALFORMED_URLS

IMAGES = "/v1/images"


def source_case(fields: dict[str, Any], *statuses: int) -> Case:
    return json_case(f"image {str(fields)[:60]}", json.dumps(fields), *statuses)


def image_sources() -> Iterable[Case]:
    image_ids: tuple[Any, ...] = (
        "",
        "0" * 64,
        "A" * 64,
        "0" * 64 + "\n",
        "../" * 20 + "etc/passwd",
        "images/" + "0" * 64,
        "0" * 60_000,
        "\ud800",
        None,
        7,
        [],
        {},
    )
    for image_id in image_ids:
        yield source_case({"image_id": image_id}, 422)
    yield json_case("a large image_id", json.dumps({"image_id": "0" * 100_000}), 413)
    yield json_case("a large image_url", json.dumps({"image_url": "x" * 100_000}), 413)
    both: dict[str, Any] = {"image_base64": IMAGE_BASE64}
    yield source_case(both | {"image_id": "0" * 64}, 422)
    yield source_case(both | {"image_url": "https://127.0.0.1/"}, 422)
    yield source_case(both | {"image_id": None}, 422)
    yield source_case({"image_id": "0" * 64, "image_url": "https://127.0.0.1/"}, 422)
    for name in ("image_id", "image_url"):
        yield Case(f"{name} in a form", {422}, form(part("image", JPEG), part(name, b"a")))
        yield Case(f"{name} in a request", {422}, upload(JPEG, json.dumps({name: "a"})))


def image_urls() -> Iterable[Case]:
    for url in (*MALFORMED_URLS, "", "s3://", "s3://bucket", "s3://bucket/../key", "S3://a/b", 7):
        yield source_case({"image_url": url}, 422)
    for host in (
        *("127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "localhost."),
        *("0.0.0.1", "10.0.0.1", "100.64.0.1", "168.63.129.16", "169.254.169.254", "192.0.0.192"),
        *("[::1]", "[::]", "[::ffff:169.254.169.254]", "[::169.254.169.254]", "[fd00:ec2::254]"),
        *("[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fe80::1]"),
        *("224.0.0.1", "255.255.255.255", "host.invalid"),
    ):
        yield source_case({"image_url": f"https://{host}/"}, 422)
    for port in (22, 80, 6379, 8443):
        yield source_case({"image_url": f"https://photos.example:{port}/"}, 422)
    for url in ("http://8.8.8.8/", "http://[2606:4700::1111]/"):
        yield source_case({"image_url": url}, 422)


def images() -> Iterable[Case]:
    photo = part("image", JPEG, file="a.jpg")
    for name, statuses, body in (
        ("an image", {201}, form(photo)),
        ("no image", {422}, form()),
        ("two images", {422}, form(photo, photo)),
        ("an image with a request", {422}, form(photo, part("request", b"{}"))),
        ("an image that is text", {415}, form(part("image", b"text", file="a.jpg"))),
        ("an empty image", {422}, form(part("image", b"", file="a.jpg"))),
        ("10,000 parts", {413}, form(*[part(f"p{n}", b"x") for n in range(10_000)])),
    ):
        yield Case(name, statuses, body, path=IMAGES)
    for text, statuses in (
        (json.dumps({"image_base64": IMAGE_BASE64}), {201}),
        (json.dumps({"image_base64": IMAGE_BASE64, "method": "gradcam"}), {422}),
        (json.dumps({"image_url": "https://127.0.0.1/"}), {422}),
        (json.dumps({"image_id": "0" * 64}), {422}),
        ("{}", {422}),
        ("[]", {422}),
        ("{", {400}),
    ):
        yield json_case(f"images {text[:30]}", text, *statuses)._replace(path=IMAGES)
    for method in ("GET", "PUT", "DELETE"):
        yield Case(f"{method} {IMAGES}", {405}, method=method, path=IMAGES)
    yield Case("an image by its id", {404}, method="GET", path=f"{IMAGES}/{'0' * 64}")
