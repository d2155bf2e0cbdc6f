"""Parses the bodies of requests from Label Studio, which may be large, at a bounded cost."""

from typing import TypeVar

from pydantic import BaseModel

from seewhy.errors import RequestTooLarge
from seewhy_api.http.json_body import MAX_JSON_BYTES

MAX_VALUES = 1_000_000
"""By commas and brackets; a recorded task has 50 to 440, and a request up to 10,000 tasks."""

_Request = TypeVar("_Request", bound=BaseModel)


def parse_body(kind: type[_Request], body: bytes) -> _Request:
    """Parse a request, and keep its fields only.

    Raises `RequestTooLarge` beyond `MAX_VALUES`, and pydantic's `ValidationError`.
    """
    if len(body) > MAX_JSON_BYTES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise RequestTooLarge(
            f"The request has more than {MAX_VALUES:,} values. Select fewer tasks at once."
        )
    return kind.model_validate_json(body)
