"""Receives a batch: JSON lines, the images of a zip archive, or a folder of images to list."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Request
from pydantic import ValidationError
from werkzeug.formparser import FormDataParser

from seewhy.batches.archive_items import ArchiveLimits, archive_items
from seewhy.batches.new_batch import ParsedItem, SentItem
from seewhy.errors import InvalidRequest, RequestTooLarge
from seewhy.jobs.batch_documents import ListedImages
from seewhy.schemas.request import ExplanationRequest
from seewhy.settings import Settings
from seewhy_api.http.batch_request import BatchRequest, batch_request_of, parse_batch_request
from seewhy_api.http.json_body import MAX_FORM_PARTS, MAX_JSON_BYTES, parse_json
from seewhy_api.http.parsing import MAX_KEY_LENGTH, max_body_bytes, parse_document
from seewhy_api.http.problems import describe, mistakes_of

NDJSON = "application/x-ndjson"
FORM = "multipart/form-data"
JSON = "application/json"
SPOOL_MEMORY_BYTES = 1_000_000
BLOCK_BYTES = 65_536
OF_THE_BATCH = ("priority", "webhook")
"""Fields that an item cannot override."""


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """A batch as its client sent it."""

    request: BatchRequest
    body_digest: str
    """The SHA-256 of what holds or names the items."""
    items: Iterable[SentItem] = ()
    """Read once. Raises `InvalidRequest` and `BatchTooLarge`."""
    listed: ListedImages | None = None
    """The folder to list, instead of items."""

    @property
    def digest(self) -> str:
        """What makes two submissions the same: the items, and what is asked of them."""
        options = json.dumps([self.request.fields, self.request.webhook], sort_keys=True)
        return hashlib.sha256((self.body_digest + options).encode()).hexdigest()


@contextmanager
def received_batch(request: Request, settings: Settings) -> Iterator[ReceivedBatch]:
    """Receive a batch; its items are in a temporary file for the length of the block.

    Raises `InvalidRequest`, pydantic's `ValidationError`, and werkzeug's `RequestEntityTooLarge`.
    """
    request.max_content_length = settings.batch_max_bytes
    with ExitStack() as stack:
        if request.mimetype == NDJSON:
            yield _receive_lines(request, stack, settings)
        elif request.mimetype == FORM:
            yield _receive_archive(request, stack, settings)
        elif request.mimetype == JSON:
            yield _receive_folder(request)
        else:
            raise InvalidRequest(
                f"Send {NDJSON}, one JSON object on each line, {FORM} with a zip archive of images "
                f"in the part archive, or {JSON} with image_prefix."
            )


def _receive_lines(request: Request, stack: ExitStack, settings: Settings) -> ReceivedBatch:
    batch = parse_batch_request(request.args.get("request"))
    spool = _new_spool(stack)
    while block := request.stream.read(BLOCK_BYTES):
        spool.write(block)
    max_bytes = max_body_bytes(settings.max_upload_bytes)
    digest = _digest(spool)
    return ReceivedBatch(batch, digest, read_lines(spool, batch, max_bytes=max_bytes))


def _receive_archive(request: Request, stack: ExitStack, settings: Settings) -> ReceivedBatch:
    if "request" in request.args:
        raise InvalidRequest("Send the request of an archive in a part of the form.")
    parser = FormDataParser(
        stream_factory=lambda *_, **__: _new_spool(stack),
        max_form_memory_size=request.max_form_memory_size,  # more than one read of a file
        max_content_length=settings.batch_max_bytes,
        max_form_parts=MAX_FORM_PARTS,
    )
    _, form, files = parser.parse(
        request.stream, FORM, request.content_length, request.mimetype_params
    )
    archives = files.getlist("archive")
    if len(archives) != 1 or (set(files) | set(form)) - {"archive", "request"}:
        raise InvalidRequest(
            "Send exactly one file part named archive, a zip archive of images, and optionally a "
            "part named request."
        )
    texts: list[str | bytes] = [*form.getlist("request")]
    texts += [part.read(MAX_JSON_BYTES + 1) for part in files.getlist("request")]
    if len(texts) > 1:
        raise InvalidRequest("Send at most one part named request.")
    batch = parse_batch_request(texts[0] if texts else None)
    limits = ArchiveLimits(
        max_items=settings.batch_max_items,
        max_image_bytes=settings.max_upload_bytes,
        max_unpacked_bytes=settings.batch_max_bytes,
    )
    spool = archives[0].stream
    return ReceivedBatch(batch, _digest(spool), archive_items(spool, batch.parsed, limits))


def _receive_folder(request: Request) -> ReceivedBatch:
    request.max_content_length = MAX_JSON_BYTES
    fields = parse_json(request.get_data(cache=False))
    prefix = fields.pop("image_prefix", None) if isinstance(fields, dict) else None
    if not isinstance(prefix, str) or "request" in request.args:
        raise InvalidRequest(
            "The JSON must be an object with image_prefix, which is a string, and the fields of a "
            "request; nothing of it belongs in the query."
        )
    batch = batch_request_of(fields)
    digest = hashlib.sha256(prefix.encode()).hexdigest()
    return ReceivedBatch(batch, digest, listed=ListedImages(prefix=prefix, request=batch.parsed))


def _new_spool(stack: ExitStack) -> IO[bytes]:
    spool: IO[bytes] = stack.enter_context(
        SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115  (the stack closes it)
    )
    return spool


def _digest(spool: IO[bytes]) -> str:
    """Return the SHA-256 of a file, which is then at its start."""
    spool.seek(0)
    digest = hashlib.file_digest(spool, "sha256").hexdigest()  # type: ignore[arg-type]
    spool.seek(0)
    return digest


def read_lines(spool: IO[bytes], batch: BatchRequest, *, max_bytes: int) -> Iterator[SentItem]:
    """Yield the lines that are not blank. Of a line above `max_bytes`, the beginning is read."""
    while line := spool.readline(max_bytes + 1):
        if len(line) > max_bytes:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = spool.readline(BLOCK_BYTES)
        if line.strip():
            yield SentItem(len(line), partial(_parse_line, batch, line, max_bytes))


def _parse_line(batch: BatchRequest, line: bytes, max_bytes: int) -> ParsedItem:
    """Parse one line. Raises `InvalidRequest` and `BadImage`."""
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


def _take_key(fields: dict[str, Any]) -> str | None:
    key = fields.pop("key", None)
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH):
        raise InvalidRequest(f"key must be a string of 1 to {MAX_KEY_LENGTH} characters.")
    return key
