"""`Client.events` against an HTTP server that sends scripted responses."""

import json
from typing import Any

import pytest

from awaited_client import Connect, both_clients
from seewhy.client import Event, RequestRejected, ServiceUnreachable, UnexpectedResponse
from seewhy.schemas.job import JobState
from servers.scripted import Response, scripted

pytestmark = both_clients
ID = "0199c1e2-0000-7000-8000-000000000001"
FAILED = {
    "id": ID,
    "status": "failed",
    "model": "vgg16",
    "method": "gradcam",
    "priority": "interactive",
    "submitted_at": "2026-11-22T21:00:00.125Z",
    "error": {"code": "worker_lost", "detail": "It died."},
    "links": {"self": f"/v1/explanations/{ID}"},
}


def stream(*messages: tuple[str, dict[str, Any]], cut_off: str = "") -> Response:
    text = "retry: 10\n\n: heartbeat\n\n"
    text += "".join(f"id: {name}\ndata: {json.dumps(body)}\n\n" for name, body in messages)
    return Response(200, (text + cut_off).encode(), {"Content-Type": "text/event-stream"})


def state(status: str) -> dict[str, Any]:
    return {"id": ID, "status": status}


def error_code(event: Event) -> str | None:
    if event.explanation is None:
        return None
    assert event.explanation.error is not None
    return event.explanation.error.code


def test_events_resume_after_a_broken_connection_and_stop_at_the_outcome(connect: Connect) -> None:
    half_an_event = 'id: 9-0\ndata: {"id": "x", "status": "succ'
    with scripted(
        stream(("1-0", state("queued"))),
        stream(("2-0", state("running")), cut_off=half_an_event),
        Response(hang_up=True),
        stream(),
        stream(("end", FAILED)),
    ) as server:
        with connect(server.url) as client:
            events = list(client.events(ID))
        resumed = [request.headers.get("last-event-id") for request in server.requests]
        assert {request.path for request in server.requests} == {f"/v1/explanations/{ID}/events"}
    assert [event.status for event in events] == [
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.FAILED,
    ]
    assert resumed == [None, "1-0", "2-0", "2-0", "2-0"]
    assert [error_code(event) for event in events] == [
        None,
        None,
        "worker_lost",
    ]


def test_a_rejection_is_raised_without_a_retry(connect: Connect) -> None:
    problem = {"title": "t", "status": 404, "detail": "there is none", "code": "unknown"}
    with (
        scripted(Response(404, problem)) as server,
        connect(server.url) as client,
        pytest.raises(RequestRejected, match="there is none"),
    ):
        next(client.events(ID))


def test_a_service_that_never_answered_is_unreachable(connect: Connect, unused_port: int) -> None:
    with (
        connect(f"http://127.0.0.1:{unused_port}", attempts=2) as client,
        pytest.raises(ServiceUnreachable),
    ):
        next(client.events(ID))


def test_a_service_that_does_not_come_back_is_unreachable(connect: Connect) -> None:
    with scripted(stream(("1-0", state("queued")))) as server:
        client = connect(server.url, attempts=1)
        events = client.events(ID)
        assert next(events).status is JobState.QUEUED
    with client, pytest.raises(ServiceUnreachable):
        next(events)


def test_an_unknown_event_is_unexpected(connect: Connect) -> None:
    with (
        scripted(stream(("1-0", {"hello": 1}))) as server,
        connect(server.url) as client,
        pytest.raises(UnexpectedResponse, match="invalid event"),
    ):
        next(client.events(ID))
