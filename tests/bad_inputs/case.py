"""One request to the API, and the parts that requests are made of."""

import base64
import json
from typing import Any, NamedTuple

from images import ENCODED

URL = "/v1/explanations"
JSON = "application/json"
BOUNDARY = "boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
SECRET = "Bearer this-credential-must-not-be-logged"  # noqa: S105
FILE_NAME = "this-file-name-must-not-be-logged.jpg"
JPEG, PNG, WEBP = (ENCODED[kind] for kind in ("JPEG", "PNG", "WEBP"))
IMAGE_BASE64 = base64.b64encode(JPEG).decode()
ACCEPTED = {202}


class Case(NamedTuple):
    """One request, and the statuses that may answer it."""

    name: str
    statuses: set[int]
    body: bytes = b""
    content_type: str = MULTIPART
    method: str = "POST"
    path: str = URL
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, host: str) -> bytes:
        """Return the bytes of an HTTP/1.1 request."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if self.body or self.method == "POST":
            lines += [f"Content-Type: {self.content_type}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + self.body


def part(name: str, content: bytes, *, file: str | None = None, kind: str = "image/jpeg") -> bytes:
    """Encode one part of a multipart body."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    header = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return header.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Join the parts of a multipart body."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def upload(image: bytes, request: str | None = None, *, kind: str = "image/jpeg") -> bytes:
    """Return the multipart body of an upload."""
    parts = [part("image", image, file=FILE_NAME, kind=kind)]
    if request is not None:
        parts.append(part("request", request.encode("utf-8", "surrogatepass"), kind=JSON))
    return form(*parts)


def image_case(name: str, image: bytes, *statuses: int) -> Case:
    return Case(name, set(statuses), upload(image), headers=(("Authorization", SECRET),))


def json_case(name: str, text: str | bytes, *statuses: int) -> Case:
    """Return a case whose body is JSON with an image."""
    return Case(name, set(statuses), text if isinstance(text, bytes) else text.encode(), JSON)


def fields_case(name: str, fields: dict[str, Any], *statuses: int) -> Case:
    return Case(f"{name} {str(fields)[:60]}", set(statuses), upload(JPEG, json.dumps(fields)))
