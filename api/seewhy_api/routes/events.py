"""The route of a job's events: a stream that ends with the outcome, and can be resumed."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from queue import Empty
from typing import Any

from flask import Blueprint, Response, request

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobRecord
from seewhy_api.dependencies import Dependencies
from seewhy_api.http import serializers as views
from seewhy_api.http.problems import problem
from seewhy_api.streaming.event_feed import EventFeed, EventPosition, Subscription
from seewhy_api.streaming.event_stream import (
    HEARTBEAT,
    OUTCOME,
    EventSequence,
    SseMessage,
    message,
    reconnect_after,
    resume_point,
)

READS_AT_ONCE = 2
"""Of the records, by all streams of a process: so many connections of Redis, and no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long a stream is silent, and how long it lasts."""

    heartbeat_s: float = 15.0
    longest_s: float = 600.0


class SseWriter:
    """Writes the streams of one process."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        tail: EventFeed,
        show: Callable[[JobRecord], dict[str, Any]],
        pace: Pace | None = None,
    ) -> None:
        """Tell what `tail` hears and `ledger` knows; `show` writes a job with its outcome."""
        self._ledger = ledger
        self._tail = tail
        self._show = show
        self._pace = pace or Pace()
        self._reading = threading.BoundedSemaphore(READS_AT_ONCE)

    def read(self, job_id: str) -> JobRecord | None:
        """Read the job when it is this stream's turn. Raises `LedgerUnavailable`."""
        if not self._reading.acquire(timeout=self._pace.heartbeat_s):
            raise LedgerUnavailable("Redis is too slow for the streams that are open")
        try:
            return self._ledger.read(job_id)
        finally:
            self._reading.release()

    def text(
        self, record: JobRecord, ear: Subscription, *, after: EventPosition | None
    ) -> Iterator[str]:
        """Write one stream: until the outcome, the longest time, or the end of the process."""
        ends_at = time.monotonic() + self._pace.longest_s
        # Spread out, so that those whom one process sends away do not all return at once.
        yield reconnect_after(random.randint(1_000, 3_000))  # noqa: S311
        telling = EventSequence(after=after)
        told = telling.begin(record.state, position=ear.position, missed=ear.missed)
        while True:
            for part in told:
                yield message(part, self._body(part, record))
            left_s = ends_at - time.monotonic()
            if telling.over or left_s <= 0 or self._tail.stopped:
                return
            told = []
            try:
                event = ear.heard.get(timeout=min(left_s, self._pace.heartbeat_s))
            except Empty:
                yield HEARTBEAT
                event = None
            if event is not None and not event.state.terminal:
                told = telling.hear(event)
                continue
            try:
                present = self.read(record.job_id)
            except LedgerUnavailable:
                continue  # the tail says when Redis is back
            if present is None:
                return
            record, told = present, telling.look(present.state)

    def _body(self, told: SseMessage, record: JobRecord) -> dict[str, Any]:
        if told.state.terminal:
            return self._show(record)
        return {"id": record.job_id, "status": told.state}


def create_events(parts: Dependencies, *, pace: Pace | None = None) -> Blueprint:
    """Make the blueprint."""
    routes = Blueprint("events", __name__, url_prefix="/v1/explanations/<job_id>")
    seats = threading.BoundedSemaphore(parts.settings.api_streams)
    teller = SseWriter(
        ledger=parts.ledger,
        tail=parts.tail,
        show=lambda record: views.explanation(record, position=None, store=parts.store),
        pace=pace,
    )

    @routes.get("/events")
    def listen(job_id: str) -> Response:
        last = request.headers.get("Last-Event-ID") or request.args.get("after")
        if last == OUTCOME:
            return Response(status=HTTPStatus.NO_CONTENT)  # an EventSource then stays away
        after = resume_point(last) if last else None
        if not seats.acquire(blocking=False):
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too_many_streams",
                f"This process serves {parts.settings.api_streams} streams at once, and does so.",
            )
        with ExitStack() as held:
            held.callback(seats.release)
            ear = held.enter_context(parts.tail.listen(job_id, after=after))
            record = parts.lookup.require_job(teller.read(job_id), job_id)
            answer = Response(teller.text(record, ear, after=after), mimetype="text/event-stream")
            answer.call_on_close(held.pop_all().close)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        return answer

    @routes.after_request
    def open_to_browser_pages(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return routes
