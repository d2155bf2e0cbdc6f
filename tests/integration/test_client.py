"""The client against a real HTTP server that gives scripted answers."""

import email
import io
import json
from email.message import Message
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seewhy.client import (
    Client,
    ExplanationFailed,
    RequestRejected,
    ServiceUnreachable,
    UnexpectedResponse,
    WaitTimedOut,
)
from seewhy.embedded.tcp_ports import free_port
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Verdict
from servers.scripted import Answer, Request, scripted

ID = "0199c1e2-0000-7000-8000-000000000001"
SCORE = {"index": 282, "label": "tiger cat", "logit": 9.5, "probability": 0.41}


def body(status: str, **changes: Any) -> dict[str, Any]:
    path = f"/v1/explanations/{ID}"
    queued = {
        "id": ID,
        "status": status,
        "model": "vgg16",
        "method": "gradcam",
        "priority": "interactive",
        "metadata": {"task": 7},
        "attempts": 1,
        "queue_position": None,
        "cancel_requested": False,
        "submitted_at": "2026-11-22T21:00:00.125Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "result": None,
        "links": {"self": path, "cancel": f"{path}/cancel", "overlay": None, "map": None},
        "downloads": {},
    }
    return queued | changes


def succeeded() -> dict[str, Any]:
    result = {
        "top": [SCORE],
        "targets": [{"score": SCORE, "verdict": "ok", "minimum": -0.5, "maximum": 2.0}],
        "model_digest": "sha256:0",
        "method": "gradcam",
        "layer": "block5_conv3",
        "linear": True,
        "map_height": 14,
        "map_width": 14,
        "covers": {"x": 0, "y": 0, "width": 640, "height": 480},
        "image_width_px": 640,
        "image_height_px": 480,
        "timings_ms": {"forward": 12.5},
        "versions": {"seewhy": "0.1.0"},
        "a_field_of_a_newer_service": 1,
    }
    return body("succeeded", result=result)


def problem(status: int, code: str, detail: str, **headers: str) -> Answer:
    document = {"type": "about:blank", "title": "t", "status": status, "detail": detail}
    return Answer(status, document | {"code": code}, headers)


def parts(request: Request) -> dict[str, Message]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in form.get_payload()  # type: ignore[union-attr]
    }


def test_a_submission_carries_the_picture_the_wishes_and_a_key_of_its_own(tmp_path: Path) -> None:
    photo = tmp_path / "cat.jpg"
    photo.write_bytes(b"\xff\xd8picture")

    with scripted(Answer(202, body("queued", queue_position=3))) as server:
        with Client(server.url) as client:
            explanation = client.submit(photo, targets="top:3", metadata={"task": 7}, model=None)
        [request] = server.requests

    assert (request.method, request.path) == ("POST", "/v1/explanations")
    assert len(request.headers["idempotency-key"]) == 36
    sent = parts(request)
    assert sent["image"].get_filename() == "cat.jpg"
    assert sent["image"].get_payload(decode=True) == b"\xff\xd8picture"
    assert json.loads(str(sent["request"].get_payload())) == {
        "targets": "top:3",
        "metadata": {"task": 7},
    }
    assert (explanation.id, explanation.status, explanation.queue_position) == (
        ID,
        JobState.QUEUED,
        3,
    )


def test_a_contrast_and_a_recipe_are_sent_as_they_are_written() -> None:
    with scripted(Answer(202, body("queued"))) as server:
        with Client(server.url) as client:
            client.submit(
                b"picture",
                method="hirescam",
                fallback=["layercam"],
                score="probability",
                targets={"why": "cat", "not": ["dog"]},
                normalize=2.0,
            )
        [request] = server.requests
    assert json.loads(str(parts(request)["request"].get_payload())) == {
        "method": "hirescam",
        "fallback": ["layercam"],
        "score": "probability",
        "targets": {"why": "cat", "not": ["dog"]},
        "normalize": 2.0,
    }


def test_a_submission_whose_answer_is_lost_is_repeated_under_the_same_key() -> None:
    busy = problem(503, "ledger_unavailable", "later", **{"Retry-After": "0"})
    still = problem(409, "idempotency_key_busy", "the first is still being accepted")
    done = Answer(202, body("queued"))
    with scripted(Answer(hang_up=True), busy, still, done) as server:
        with Client(server.url) as client:
            client.submit(b"picture")
        keys = {request.headers["idempotency-key"] for request in server.requests}

    assert len(server.requests) == 4
    assert len(keys) == 1


def test_two_submissions_have_two_keys_unless_one_is_given() -> None:
    with scripted(*[Answer(202, body("queued"))] * 3) as server:
        with Client(server.url) as client:
            client.submit(b"picture")
            client.submit(b"picture")
            client.submit(b"picture", idempotency_key="mine")
        keys = [request.headers["idempotency-key"] for request in server.requests]

    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_refusal_is_raised_at_once_with_its_code_and_sentence() -> None:
    with scripted(problem(415, "unsupported_image", "this is a PDF")) as server:
        with Client(server.url) as client, pytest.raises(RequestRejected) as refused:
            client.submit(b"%PDF")
        assert len(server.requests) == 1

    assert (refused.value.problem, refused.value.status) == ("unsupported_image", 415)
    assert str(refused.value) == "this is a PDF (unsupported_image, HTTP 415)"


def test_a_503_without_a_word_on_when_to_come_back_is_not_repeated() -> None:
    with scripted(problem(503, "unavailable", "closed for good")) as server:
        with Client(server.url) as client, pytest.raises(RequestRejected, match="closed for good"):
            client.models()
        assert len(server.requests) == 1


def test_a_refusal_by_something_else_on_the_way_is_still_a_refusal() -> None:
    with (
        scripted(Answer(404, b"<h1>nothing here</h1>")) as server,
        Client(server.url) as client,
        pytest.raises(RequestRejected, match=r"Not Found \(unknown, HTTP 404\)"),
    ):
        client.get(ID)


def test_nobody_listening_is_service_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, attempts=2) as client, pytest.raises(ServiceUnreachable, match=url):
        client.models()


@pytest.mark.parametrize("answer", [b"<html>router login</html>", [], {"models": 3}])
def test_another_server_at_the_address_is_told_from_a_service(answer: Any) -> None:
    with (
        scripted(Answer(200, answer)) as server,
        Client(server.url) as client,
        pytest.raises(UnexpectedResponse, match="not a seewhy service"),
    ):
        client.models()


def test_waiting_polls_long_and_pauses_as_asked() -> None:
    running = Answer(200, body("running"), {"Retry-After": "0"})
    with scripted(running, running, Answer(200, succeeded())) as server:
        with Client(server.url) as client:
            explanation = client.wait(ID)
        paths = [request.path for request in server.requests]

    assert paths == [f"/v1/explanations/{ID}?wait=20"] * 3
    assert explanation.result is not None
    assert explanation.result.top[0].label == "tiger cat"
    assert explanation.result.targets[0].verdict is Verdict.OK


def test_waiting_returns_a_bad_outcome_too() -> None:
    failed = body("failed", error={"code": "broken_image", "detail": "cut short"})
    with scripted(Answer(200, failed)) as server, Client(server.url) as client:
        assert client.wait(ID).status is JobState.FAILED


def test_waiting_ends_with_the_time_given() -> None:
    running = Answer(200, body("running"), {"Retry-After": "0"})
    with (
        scripted(*[running] * 1000) as server,
        Client(server.url) as client,
        pytest.raises(WaitTimedOut) as timed_out,
    ):
        client.wait(ID, timeout_s=0.05)

    assert timed_out.value.explanation_id == ID


def test_explaining_needs_one_request_when_the_service_is_quick() -> None:
    with scripted(Answer(200, succeeded())) as server:
        with Client(server.url) as client:
            explanation = client.explain(b"picture", targets=["tiger cat"])
        [request] = server.requests

    assert request.headers["prefer"] == "wait=20"
    assert explanation.status is JobState.SUCCEEDED


def test_explaining_waits_for_a_slow_service() -> None:
    queued = Answer(202, body("queued"), {"Retry-After": "0"})
    with scripted(queued, Answer(200, succeeded())) as server, Client(server.url) as client:
        assert client.explain(b"picture").id == ID
        assert server.requests[1].path == f"/v1/explanations/{ID}?wait=20"


def test_explaining_raises_what_became_of_a_failed_explanation() -> None:
    failed = body("failed", error={"code": "broken_image", "detail": "the file is cut short"})
    with (
        scripted(Answer(200, failed)) as server,
        Client(server.url) as client,
        pytest.raises(
            ExplanationFailed, match=f"{ID} failed: the file is cut short .broken_image"
        ) as raised,
    ):
        client.explain(b"picture")

    assert raised.value.explanation.status is JobState.FAILED


def test_overlay_and_map_are_fetched_where_the_links_say() -> None:
    done = succeeded()
    done["links"] |= {"overlay": "/here/overlay", "map": "/here/map.npy"}
    second = {"score": SCORE | {"index": 285}, "verdict": "ok", "minimum": 0, "maximum": 1}
    done["result"]["targets"].append(second)
    maps = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    file = io.BytesIO()
    np.save(file, maps)
    jpeg = Answer(200, b"\xff\xd8jpeg")
    with scripted(Answer(200, done), jpeg, jpeg, Answer(200, file.getvalue())) as server:
        with Client(f"{server.url}/below/") as client:
            explanation = client.get(ID)
            overlay = client.overlay(explanation)
            client.overlay(explanation, target=1)
            with pytest.raises(IndexError, match="has 2 targets"):
                client.overlay(explanation, target=2)
            fetched = client.map(explanation)
        paths = [request.path for request in server.requests]

    assert overlay == b"\xff\xd8jpeg"
    np.testing.assert_array_equal(fetched, maps)
    assert paths == [
        f"/below/v1/explanations/{ID}",
        "/below/here/overlay",
        "/below/here/overlay?map=1",
        "/below/here/map.npy",
    ]


def test_a_map_that_would_run_code_when_read_is_refused() -> None:
    file = io.BytesIO()
    np.save(file, np.array([object], dtype=object), allow_pickle=True)
    with (
        scripted(Answer(200, succeeded()), Answer(200, file.getvalue())) as server,
        Client(server.url) as client,
        pytest.raises(UnexpectedResponse, match="not an array"),
    ):
        client.map(client.get(ID))


def test_cancelling_tells_what_came_of_it() -> None:
    with scripted(Answer(200, body("running", cancel_requested=True))) as server:
        with Client(server.url) as client:
            explanation = client.cancel("a/../b")
        assert server.requests[0].path == "/v1/explanations/a%2F..%2Fb/cancel"

    assert explanation.cancel_requested


def test_the_catalogue_keeps_what_a_newer_service_says_of_a_model() -> None:
    catalogue = {"models": [{"name": "vgg16", "layer": "block5_conv3"}], "default": "vgg16"}
    with scripted(Answer(200, catalogue)) as server, Client(server.url) as client:
        models = client.models()

    assert models.default == "vgg16"
    assert models.models[0].model_extra == {"layer": "block5_conv3"}
