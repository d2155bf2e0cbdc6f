"""Parses the items of a batch: JSON lines, each with an image and overrides of the request."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Request
from pydantic import ValidationError

from seewhy.batches.new_batch import ParsedItem
from seewhy.errors import InvalidRequest, RequestTooLarge
from seewhy.schemas.job import Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy_api.http.json_body import parse_json
from seewhy_api.http.parsing import MAX_KEY_LENGTH, parse_document
from seewhy_api.http.problems import describe, mistakes_of

NDJSON = "application/x-ndjson"
SPOOL_MEMORY_BYTES = 1_000_000
BLOCK_BYTES = 65_536
OF_THE_BATCH = ("priority", "webhook")
"""Fields that an item cannot override."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """The request that applies to all items of a batch."""

    fields: dict[str, Any]
    """Its fields, which items may override."""
    model: str | None
    webhook: str | None
    """The webhook of the batch; its items have none."""


def parse_batch_request(request: Request) -> BatchRequest:
    """Parse `?request=`. Raises `InvalidRequest` or pydantic's `ValidationError`."""
    text = request.args.get("request")
    fields = parse_json(text) if text else {}
    if not isinstance(fields, dict):
        raise InvalidRequest("request must be a JSON object.")
    fields = {"priority": Priority.BATCH} | fields
    parsed = ExplanationRequest.model_validate(fields)
    if parsed.priority is not Priority.BATCH:
        raise InvalidRequest("The items of a batch run at the priority batch.")
    fields.pop("webhook", None)
    return BatchRequest(fields, parsed.model, parsed.webhook)


def item_parser(batch: BatchRequest, *, max_bytes: int) -> Callable[[bytes], ParsedItem]:
    """Return what parses one line of a batch, of at most `max_bytes`."""

    def parse(line: bytes) -> ParsedItem:
        if len(line) > max_bytes:
            raise RequestTooLarge(f"An item has at most {max_bytes:,} bytes.")
        try:
            source, fields = parse_document(line)
            key = _take_key(fields)
            for name in OF_THE_BATCH:
                if name in fields:
                    raise InvalidRequest(f"{name} belongs in the request of the whole batch.")
            request = ExplanationRequest.model_validate(batch.fields | fields)
        except ValidationError as error:
            raise InvalidRequest(describe(mistakes_of(error))) from error
        return ParsedItem(source, request, key)

    return parse


@contextmanager
def spooled_body(request: Request, *, max_bytes: int) -> Iterator[tuple[IO[bytes], str]]:
    """Copy a body to a temporary file; yield the file and the SHA-256 of its content.

    Raises `InvalidRequest` for another media type.
    """
    if request.mimetype != NDJSON:
        raise InvalidRequest(f"Send {NDJSON}: one JSON object on each line.")
    request.max_content_length = max_bytes
    digest = hashlib.sha256()
    with SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES) as spool:
        while block := request.stream.read(BLOCK_BYTES):
            digest.update(block)
            spool.write(block)
        spool.seek(0)
        yield spool, digest.hexdigest()


def read_lines(spool: IO[bytes], *, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines that are not blank. Of a longer line, only the beginning is read."""
    while line := spool.readline(max_bytes + 1):
        if len(line) > max_bytes:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = spool.readline(BLOCK_BYTES)
        if line.strip():
            yield line


def _take_key(fields: dict[str, Any]) -> str | None:
    key = fields.pop("key", None)
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH):
        raise InvalidRequest(f"key must be a string of 1 to {MAX_KEY_LENGTH} characters.")
    return key
