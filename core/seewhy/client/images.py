"""How the client sends an image: as a file, by its id, or by its URL."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ImageId(str):
    """The id of an image that the service has, as `Client.upload` returns it."""

    __slots__ = ()


Image = Path | bytes | ImageId | str
"""An image file, its content, its id, or its URL: https, http or s3."""


def image_body(image: Image) -> dict[str, Any]:
    """Return the body of a request that has only an image, as arguments of `Transport.send`.

    Raises `OSError` when the file cannot be read.
    """
    if reference := image_reference(image):
        return {"json": reference}
    name = image.name if isinstance(image, Path) else "image"
    return {"files": {"image": (name, read_image(image), "application/octet-stream")}}


def submission_body(image: Image, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a submission. Raises as `image_body` does."""
    body = image_body(image)
    if "json" in body:
        return {"json": {**body["json"], **request}}
    part = (None, json.dumps(request), "application/json")
    return {"files": {**body["files"], "request": part}}


def image_reference(image: Image) -> dict[str, str] | None:
    """Return the field that names an image which is not sent; None for a file."""
    if isinstance(image, ImageId):
        return {"image_id": str(image)}
    return {"image_url": image} if isinstance(image, str) else None


def read_image(image: Image) -> bytes:
    """Return the content of a file, or the content given. Raises `OSError`, or `TypeError`."""
    if isinstance(image, Path):
        return image.read_bytes()
    if isinstance(image, bytes):
        return image
    raise TypeError(f"an image is a Path, bytes, an ImageId or a URL, not {type(image).__name__}")
