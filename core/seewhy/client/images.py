"""How the client sends an image: as a file, or by its id."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ImageId(str):
    """The id of an image that the service has, as `Client.upload` returns it."""

    __slots__ = ()


Image = Path | bytes | ImageId
"""An image file, its content, or its id."""


def file_part(image: Path | bytes) -> tuple[str, bytes, str]:
    """Return an image as a file part. Raises `OSError` when the file cannot be read."""
    name, content = (
        ("image", image) if isinstance(image, bytes) else (image.name, image.read_bytes())
    )
    return name, content, "application/octet-stream"


def submission_body(image: Image, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a submission, as arguments of `Transport.send`.

    Raises `OSError` when the file cannot be read.
    """
    if isinstance(image, ImageId):
        return {"json": {"image_id": str(image), **request}}
    part = (None, json.dumps(request), "application/json")
    return {"files": {"image": file_part(image), "request": part}}
