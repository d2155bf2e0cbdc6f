"""The routes of a batch: submit, get, results, cancel."""

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from seewhy.access.records import Scope
from seewhy.batches.item_jobs import BatchOwner
from seewhy.batches.new_batch import NewBatch, RefusedItem
from seewhy.batches.overlay_files import overlay_files
from seewhy.errors import InvalidRequest, LedgerUnavailable, TooManyBatchUploads
from seewhy.ids import job_time, new_job_id
from seewhy.jobs.batch_documents import BatchOptions
from seewhy.ledger.types import BatchRecord, BatchSubmission, IdempotencyKey
from seewhy.quoting import quote
from seewhy_api.http.auth import current_caller, request_context, requires
from seewhy_api.http.batch_serializers import serialize_batch, serialize_item, serialize_submitted
from seewhy_api.http.batch_upload import NDJSON, ReceivedBatch, received_batch
from seewhy_api.http.parsing import parse_idempotency_key, parse_wait_s
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import batch_operations as operations
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.streaming.batch_poll import BatchPoll
from seewhy_api.streaming.zip_stream import zip_stream

POLL_AFTER_S = 2
UPLOADS_AT_ONCE = 2
"""How many batches a process receives at once: each has up to 16 MB of items in memory."""
UPLOAD_WAIT_S = 30.0
UNCOUNTED_BYTES = 500_000
"""Shorter results are no download that counts: no thread waits for the client to read them."""


def create_batches_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/batches`."""
    blueprint = Blueprint("batches", __name__, url_prefix="/v1/batches")
    _add_submit(blueprint, deps)
    _add_get(blueprint, deps)
    _add_results(blueprint, deps)
    _add_overlays(blueprint, deps)
    _add_cancel(blueprint, deps)
    _add_retry(blueprint, deps)
    return blueprint


def _add_submit(blueprint: Blueprint, deps: Dependencies) -> None:
    uploads = threading.BoundedSemaphore(UPLOADS_AT_ONCE)

    @blueprint.post("")
    @requires(Scope.SUBMIT)
    @describe(operations.SUBMIT)
    def submit() -> Response:
        """Submit up to 10,000 images for explanation.

        Send `application/x-ndjson`: on each line a JSON object with exactly one of `image_base64`,
        `image_id` and `image_url`, an optional `key` that names the item, and the fields in which
        it differs from the request in `?request=`. Or send `multipart/form-data` with a zip archive
        of images in the part `archive`, and a request for all of them in the part `request`; the
        key of an item is its path in the archive. Hidden files are left out. Or send
        `application/json` with `image_prefix`, a folder of a bucket, and the fields of a request:
        the answer comes at once, and the status is `listing` until all objects of the folder are
        items. If the folder has too many objects, the batch ends as `failed` and has no items.

        Items run at the priority `batch`. An item that cannot be explained is refused without the
        others: `refused` lists the first hundred, the results list all.

        Answers 202 with `Location`. With `Idempotency-Key`, a retry returns the same batch.
        """
        key = parse_idempotency_key(request)
        if not uploads.acquire(timeout=UPLOAD_WAIT_S):
            raise TooManyBatchUploads(
                "Too many batches are being received. Retry later.", retry_after_s=POLL_AFTER_S
            )
        try:
            with received_batch(request, deps.settings) as received:
                deps.served_models.require(
                    received.request.parsed.model or deps.settings.default_model
                )
                return _accept(deps, received, key)
        finally:
            uploads.release()


def _add_get(blueprint: Blueprint, deps: Dependencies) -> None:
    poll = BatchPoll(batches=deps.batches.ledger, is_stopping=lambda: deps.event_feed.stopped)
    waiting = threading.BoundedSemaphore(max(1, deps.settings.api_threads // 4))

    @blueprint.get("/<batch_id>")
    @requires(Scope.READ)
    @describe(operations.GET)
    def get(batch_id: str) -> Response:
        """Get a batch: its status, and how many of its items are in which state.

        `waiting` items are not jobs yet. `eta_s` is when the last job will have finished, estimated
        as for single explanations. `?wait=N` waits up to 30 s for the end.
        """
        context, wait_s = request_context(), parse_wait_s(request)
        batch = deps.lookup.read_batch(batch_id, context=context)
        if wait_s and not batch.state.terminal and waiting.acquire(blocking=False):
            try:
                batch = poll.wait(batch, wait_s=wait_s)
            finally:
                waiting.release()
        return _batch_response(deps, batch)


def _add_results(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.get("/<batch_id>/results")
    @requires(Scope.READ)
    @describe(operations.GET_RESULTS)
    def get_results(batch_id: str) -> Response:
        """Get what became of each item so far, as `application/x-ndjson`: one line each, in order.

        A line has the `index` and `key` of the item, and its explanation. Items without one have
        the `status` `refused`, `waiting`, `cancelled` or `gone`, and an `error`. `?after=INDEX`
        continues after an item.
        """
        first = _parse_after(request.args.get("after")) + 1
        context = request_context()
        batch = deps.lookup.read_batch(batch_id, context=context)
        items = deps.batches.results.read(batch, first=first)
        lines = (
            json.dumps(serialize_item(item, store=deps.store), allow_nan=False).encode() + b"\n"
            for item in items
        )
        # These are read before the answer begins: an outage then is a 503.
        first_lines = _take_bytes(lines, UNCOUNTED_BYTES)
        with ExitStack() as stack:
            if len(first_lines) >= UNCOUNTED_BYTES:
                stack.enter_context(deps.batch_downloads.take(context.tenant))
            response = Response(itertools.chain([first_lines], lines), content_type=NDJSON)
            response.headers["Cache-Control"] = "no-store"
            response.call_on_close(stack.pop_all().close)
        return response


def _add_overlays(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.get("/<batch_id>/overlays.zip")
    @requires(Scope.READ)
    @describe(operations.GET_OVERLAYS)
    def get_overlays(batch_id: str) -> Response:
        """Get the overlays of the items that have succeeded so far, as a zip archive.

        A file's name is the index of its item and the item's key; without a key, the id of its
        explanation. Items whose request has no `overlay` in `outputs` have no file;
        `/v1/explanations/{id}/overlay` draws it.
        """
        context = request_context()
        with ExitStack() as stack:
            stack.enter_context(deps.batch_downloads.take(context.tenant))
            batch = deps.lookup.read_batch(batch_id, context=context)
            archive = zip_stream(overlay_files(deps.batches.results.read(batch), deps.store))
            # The first file is read before the answer begins: an outage then is a 503.
            started = itertools.chain([next(archive)], archive)
            response = Response(started, content_type="application/zip")
            response.headers["Content-Disposition"] = f'attachment; filename="{batch_id}.zip"'
            response.headers["Cache-Control"] = "no-store"
            response.call_on_close(stack.pop_all().close)
        return response


def _add_cancel(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.post("/<batch_id>/cancel")
    @requires(Scope.SUBMIT, Scope.READ)
    @describe(operations.CANCEL)
    def cancel(batch_id: str) -> Response:
        """Cancel a batch: queued jobs end, running jobs are asked to, other items never start.

        The answer does not wait for that: `cancel_requested` says that it goes on. An ended batch
        stays as it is.
        """
        context = request_context()
        batch = deps.lookup.read_batch(batch_id, context=context)
        if not batch.state.terminal:
            deps.batches.documents.write_cancellation(batch_id)
            batch = deps.batches.ledger.cancel(batch_id) or batch
        return _batch_response(deps, batch)


def _add_retry(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.post("/<batch_id>/retry")
    @requires(Scope.SUBMIT, Scope.READ)
    @describe(operations.RETRY)
    def retry(batch_id: str) -> Response:
        """Run the failed and expired items of an ended batch again, as a new batch.

        The new batch names the old one in `retry_of`; its items have their keys and new ids. A
        second retry of the same batch within 24 hours returns the same new batch. To repeat what
        fails again, retry the new batch.
        """
        caller = current_caller()
        batch = deps.lookup.read_batch(batch_id, context=caller.context)
        owner = BatchOwner(new_job_id(), caller.context, caller.quotas)
        repeated = deps.batches.service.retry(batch, owner)
        response = _batch_response(
            deps,
            _read_accepted(deps, repeated)
            if isinstance(repeated, BatchSubmission)
            else deps.lookup.read_batch(repeated, context=caller.context),
        )
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Location"] = f"/v1/batches/{response.get_json()['id']}"
        return response


def _accept(deps: Dependencies, received: ReceivedBatch, key_text: str | None) -> Response:
    """Accept a batch, or return the one that was accepted with the same key."""
    caller, service = current_caller(), deps.batches.service
    owner = BatchOwner(new_job_id(), caller.context, caller.quotas)
    key = IdempotencyKey(key_text, received.digest) if key_text is not None else None
    if key:
        batch_id, accepted_before = service.reserve(key, owner)
        owner = replace(owner, batch_id=batch_id)
        if accepted_before:
            batch = deps.lookup.read_batch(batch_id, context=caller.context)
            return _accepted_response(deps, batch, service.refused_items(batch))
    accepted = service.accept(
        NewBatch(
            items=received.items,
            owner=owner,
            options=BatchOptions(quotas=caller.quotas, listed=received.listed),
            webhook_url=deps.submit_service.webhook_url(received.request.webhook),
        ),
        key=key,
    )
    return _accepted_response(deps, _read_accepted(deps, accepted.submission), accepted.refused)


def _read_accepted(deps: Dependencies, submission: BatchSubmission) -> BatchRecord:
    """Return the record of a batch that was just accepted.

    Redis may have lost it since, or not answer. The batch is durable and its manifest restores it.
    """
    try:
        batch = deps.batches.ledger.read(submission.batch_id)
    except LedgerUnavailable:
        batch = None
    created_ms = round(job_time(submission.batch_id).timestamp() * 1000)
    return batch or BatchRecord.accepted(submission, created_ms=created_ms)


def _take_bytes(pieces: Iterator[bytes], size_bytes: int) -> bytes:
    """Take pieces until they have this size or end, and join them."""
    taken = bytearray()
    for piece in pieces:
        taken += piece
        if len(taken) >= size_bytes:
            break
    return bytes(taken)


def _parse_after(text: str | None) -> int:
    if text is None:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest(f"after must be the index of an item, not {quote(text)}.")
    return int(text)


def _accepted_response(
    deps: Dependencies, batch: BatchRecord, refused: Sequence[RefusedItem]
) -> Response:
    response = _batch_response(deps, batch, refused)
    response.status_code = HTTPStatus.ACCEPTED
    response.headers["Location"] = f"/v1/batches/{batch.batch_id}"
    return response


def _batch_response(
    deps: Dependencies, batch: BatchRecord, refused: Sequence[RefusedItem] | None = None
) -> Response:
    eta = deps.forecaster.of_batch(batch)
    if refused is None:
        view = serialize_batch(batch, eta=eta)
    else:
        view = serialize_submitted(batch, refused, eta=eta)
    response = jsonify(view.model_dump(mode="json"))
    response.headers["Cache-Control"] = "no-store"
    if not batch.state.terminal:
        response.headers["Retry-After"] = str(POLL_AFTER_S)
    return response
