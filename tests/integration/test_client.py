"""The client against an HTTP server that sends scripted responses."""

import email
import io
import json
from email.message import Message
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from awaited_client import Connect, both_clients
from full_disk import largest_file
from seewhy.client import (
    Explanation,
    ExplanationFailed,
    RequestRejected,
    ServiceUnreachable,
    UnexpectedResponse,
    WaitTimedOut,
)
from seewhy.embedded.tcp_ports import free_port
from seewhy.imaging.codecs import encode_mask_png
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Verdict
from servers.scripted import Request, Response, scripted
from service_documents import EXPLANATION_ID, SCORE, explanation_document, succeeded_document

pytestmark = both_clients


def problem(status: int, code: str, detail: str, **headers: str) -> Response:
    document = {"type": "about:blank", "title": "t", "status": status, "detail": detail}
    return Response(status, document | {"code": code}, headers)


def parts(request: Request) -> dict[str, Message]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in form.walk()
        if not part.is_multipart()
    }


def test_a_submission_sends_the_image_the_options_and_a_new_idempotency_key(
    connect: Connect, tmp_path: Path
) -> None:
    photo = tmp_path / "cat.jpg"
    photo.write_bytes(b"\xff\xd8image")

    with scripted(Response(202, explanation_document("queued", queue_position=3))) as server:
        with connect(server.url) as client:
            explanation = client.submit(photo, targets="top:3", metadata={"task": 7}, model=None)
        [request] = server.requests

    assert (request.method, request.path) == ("POST", "/v1/explanations")
    assert len(request.headers["idempotency-key"]) == 36
    sent = parts(request)
    assert sent["image"].get_filename() == "cat.jpg"
    assert sent["image"].get_payload(decode=True) == b"\xff\xd8image"
    assert json.loads(str(sent["request"].get_payload())) == {
        "targets": "top:3",
        "metadata": {"task": 7},
    }
    assert (explanation.id, explanation.status, explanation.queue_position) == (
        EXPLANATION_ID,
        JobState.QUEUED,
        3,
    )


def test_an_image_is_uploaded_once_and_submitted_by_its_id(connect: Connect) -> None:
    sent = {"image_id": "0" * 64, "media_type": "image/png", "width_px": 1, "height_px": 2}
    with scripted(Response(201, sent), Response(202, explanation_document("queued"))) as server:
        with connect(server.url) as client:
            image_id = client.upload(b"png")
            client.submit(image_id, targets=[7], idempotency_key="k")
        upload, submission = server.requests
    assert image_id == "0" * 64
    assert (upload.method, upload.path) == ("POST", "/v1/images")
    assert parts(upload)["image"].get_payload(decode=True) == b"png"
    assert json.loads(submission.body) == {"image_id": "0" * 64, "targets": [7]}
    assert submission.headers["idempotency-key"] == "k"


def test_an_image_is_named_by_its_url(connect: Connect) -> None:
    url = "https://photos.example/cat.jpg"
    sent = {"image_id": "0" * 64, "media_type": "image/png", "width_px": 1, "height_px": 2}
    with scripted(Response(201, sent), Response(202, explanation_document("queued"))) as server:
        with connect(server.url) as client:
            client.upload(url)
            client.submit(url, method="hirescam")
        bodies = [json.loads(request.body) for request in server.requests]
    assert bodies == [{"image_url": url}, {"image_url": url, "method": "hirescam"}]


def test_targets_and_method_options_are_sent_unchanged(connect: Connect) -> None:
    with scripted(Response(202, explanation_document("queued"))) as server:
        with connect(server.url) as client:
            client.submit(
                b"image",
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


def test_a_submission_is_repeated_with_the_same_key_when_the_response_is_lost(
    connect: Connect,
) -> None:
    busy = problem(503, "ledger_unavailable", "later", **{"Retry-After": "0"})
    still = problem(409, "idempotency_key_busy", "the first is still being accepted")
    done = Response(202, explanation_document("queued"))
    with scripted(Response(hang_up=True), busy, still, done) as server:
        with connect(server.url) as client:
            client.submit(b"image")
        keys = {request.headers["idempotency-key"] for request in server.requests}

    assert len(server.requests) == 4
    assert len(keys) == 1


def test_every_submission_has_a_new_key_unless_one_is_given(connect: Connect) -> None:
    with scripted(*[Response(202, explanation_document("queued"))] * 3) as server:
        with connect(server.url) as client:
            client.submit(b"image")
            client.submit(b"image")
            client.submit(b"image", idempotency_key="mine")
        keys = [request.headers["idempotency-key"] for request in server.requests]

    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_rejection_is_raised_without_a_retry_with_code_and_message(connect: Connect) -> None:
    with scripted(problem(415, "unsupported_image", "this is a PDF")) as server:
        with connect(server.url) as client, pytest.raises(RequestRejected) as rejected:
            client.submit(b"%PDF")
        assert len(server.requests) == 1

    assert (rejected.value.problem, rejected.value.status) == ("unsupported_image", 415)
    assert str(rejected.value) == "this is a PDF (unsupported_image, HTTP 415)"


def test_a_503_without_retry_after_is_not_retried(connect: Connect) -> None:
    with scripted(problem(503, "unavailable", "closed for good")) as server:
        with connect(server.url) as client, pytest.raises(RequestRejected, match="closed for good"):
            client.models()
        assert len(server.requests) == 1


def test_a_rejection_by_a_proxy_is_raised_as_a_rejection(connect: Connect) -> None:
    with (
        scripted(Response(404, b"<h1>nothing here</h1>")) as server,
        connect(server.url) as client,
        pytest.raises(RequestRejected, match=r"Not Found \(unknown, HTTP 404\)"),
    ):
        client.get(EXPLANATION_ID)


def test_an_unused_port_raises_service_unreachable(connect: Connect) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with connect(url, attempts=2) as client, pytest.raises(ServiceUnreachable, match=url):
        client.models()


@pytest.mark.parametrize("content", [b"<html>router login</html>", [], {"models": 3}])
def test_a_response_of_another_server_is_unexpected(connect: Connect, content: Any) -> None:
    with (
        scripted(Response(200, content)) as server,
        connect(server.url) as client,
        pytest.raises(UnexpectedResponse, match="not a seewhy service"),
    ):
        client.models()


def test_wait_long_polls_and_honors_retry_after(connect: Connect) -> None:
    running = Response(200, explanation_document("running"), {"Retry-After": "0"})
    with scripted(running, running, Response(200, succeeded_document())) as server:
        with connect(server.url) as client:
            explanation = client.wait(EXPLANATION_ID)
        paths = [request.path for request in server.requests]

    assert paths == [f"/v1/explanations/{EXPLANATION_ID}?wait=20"] * 3
    assert explanation.result is not None
    assert explanation.result.top[0].label == "tiger cat"
    assert explanation.result.targets[0].verdict is Verdict.OK


def test_wait_returns_a_failed_explanation(connect: Connect) -> None:
    failed = explanation_document("failed", error={"code": "broken_image", "detail": "cut short"})
    with scripted(Response(200, failed)) as server, connect(server.url) as client:
        assert client.wait(EXPLANATION_ID).status is JobState.FAILED


def test_wait_raises_after_its_timeout(connect: Connect) -> None:
    running = Response(200, explanation_document("running"), {"Retry-After": "0"})
    with (
        scripted(*[running] * 1000) as server,
        connect(server.url) as client,
        pytest.raises(WaitTimedOut) as timed_out,
    ):
        client.wait(EXPLANATION_ID, timeout_s=0.05)

    assert timed_out.value.id == EXPLANATION_ID


def test_explain_sends_one_request_to_a_fast_service(connect: Connect) -> None:
    with scripted(Response(200, succeeded_document())) as server:
        with connect(server.url) as client:
            explanation = client.explain(b"image", targets=["tiger cat"])
        [request] = server.requests

    assert request.headers["prefer"] == "wait=20"
    assert explanation.status is JobState.SUCCEEDED


def test_explain_waits_for_a_slow_service(connect: Connect) -> None:
    queued = Response(202, explanation_document("queued"), {"Retry-After": "0"})
    with (
        scripted(queued, Response(200, succeeded_document())) as server,
        connect(server.url) as client,
    ):
        assert client.explain(b"image").id == EXPLANATION_ID
        assert server.requests[1].path == f"/v1/explanations/{EXPLANATION_ID}?wait=20"


def test_explain_raises_when_the_explanation_failed(connect: Connect) -> None:
    failed = explanation_document(
        "failed", error={"code": "broken_image", "detail": "the file is cut short"}
    )
    with (
        scripted(Response(200, failed)) as server,
        connect(server.url) as client,
        pytest.raises(
            ExplanationFailed, match=f"{EXPLANATION_ID} failed: the file is cut short .broken_image"
        ) as raised,
    ):
        client.explain(b"image")

    assert raised.value.explanation.status is JobState.FAILED


def test_overlay_and_map_are_fetched_from_the_links_of_an_explanation(connect: Connect) -> None:
    done = succeeded_document()
    done["links"] |= {"overlay": "/here/overlay", "map": "/here/map.npy"}
    second = {"score": SCORE | {"index": 285}, "verdict": "ok", "minimum": 0, "maximum": 1}
    done["result"]["targets"].append(second)
    maps = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    jpeg = Response(200, b"\xff\xd8jpeg")
    with scripted(Response(200, done), jpeg, jpeg, maps_response(maps)) as server:
        with connect(f"{server.url}/below/") as client:
            explanation = client.get(EXPLANATION_ID)
            overlay = client.overlay(explanation)
            client.overlay(explanation, target=1)
            with pytest.raises(IndexError, match="has 2 targets"):
                client.overlay(explanation, target=2)
            fetched = client.map(explanation)
        paths = [request.path for request in server.requests]

    assert overlay == b"\xff\xd8jpeg"
    np.testing.assert_array_equal(fetched, maps)
    assert paths == [
        f"/below/v1/explanations/{EXPLANATION_ID}",
        "/below/here/overlay",
        "/below/here/overlay?map=1",
        "/below/here/map.npy",
    ]


def test_a_pickled_map_is_rejected(connect: Connect) -> None:
    file = io.BytesIO()
    np.save(file, np.array([object], dtype=object), allow_pickle=True)
    with (
        scripted(Response(200, succeeded_document()), Response(200, file.getvalue())) as server,
        connect(server.url) as client,
        pytest.raises(UnexpectedResponse, match="not an array"),
    ):
        client.map(client.get(EXPLANATION_ID))


def test_regions_and_the_mask_of_a_target_are_fetched(connect: Connect) -> None:
    box = {"x": 10, "y": 20, "width": 30, "height": 40}
    region = {
        "box": box, "area_px": 900, "peak": {"x": 20.5, "y": 30.5}, "score": 1.0, "share": 0.8,
        "contour": [[10, 20], [10, 60], [40, 60], [40, 20]], "holes": [], "new_field": 1,
    }  # fmt: skip
    found = {
        "image_width_px": 40, "image_height_px": 60, "method": "gradcam", "map": 1,
        "covers": {"x": 0, "y": 0, "width": 40, "height": 60}, "target": SCORE, "verdict": "ok",
        "polarity": "negative", "rule": "p90", "threshold": 0.5, "maximum": 2.0, "found": 3,
        "regions": [region],
    }  # fmt: skip
    pixels = np.zeros((60, 40), np.uint8)
    pixels[20:60, 10:40] = 255
    mask = encode_mask_png(pixels, bits=1)
    with scripted(Response(200, found), Response(200, mask), Response(200, b"\x89PNG")) as server:
        with connect(server.url) as client:
            regions = client.regions(EXPLANATION_ID, target=1, threshold="p90", polarity="negative")
            drawn = client.mask(EXPLANATION_ID, components=3, method="layercam")
            with pytest.raises(UnexpectedResponse, match="the mask is not a PNG"):
                client.mask(EXPLANATION_ID)
        paths = [request.path for request in server.requests]

    assert (regions.found, regions.rule, regions.target.label) == (3, "p90", "tiger cat")
    assert regions.regions[0].contour[2] == (40, 60)
    assert drawn.dtype == np.bool_
    np.testing.assert_array_equal(drawn, pixels > 0)
    assert paths[:2] == [
        f"/v1/explanations/{EXPLANATION_ID}/regions?map=1&threshold=p90&polarity=negative",
        f"/v1/explanations/{EXPLANATION_ID}/mask.png?bits=1&components=3&method=layercam",
    ]


def test_maps_and_drawings_of_a_method_at_a_layer_are_fetched(connect: Connect) -> None:
    maps = maps_response(np.zeros((1, 2, 3), np.float32))
    with scripted(maps, Response(200, b"\xff\xd8jpeg")) as server:
        with connect(server.url) as client:
            client.map(EXPLANATION_ID, method="layercam", layer="block6")
            client.overlay(EXPLANATION_ID, layer="block6", alpha=0.5, format="webp")
        first, second = server.requests
    assert first.path == f"/v1/explanations/{EXPLANATION_ID}/map.npy?method=layercam&layer=block6"
    assert second.path == f"/v1/explanations/{EXPLANATION_ID}/overlay?layer=block6&alpha=0.5"
    assert second.headers["accept"] == "image/webp"


def test_cancel_returns_the_explanation(connect: Connect) -> None:
    with scripted(Response(200, explanation_document("running", cancel_requested=True))) as server:
        with connect(server.url) as client:
            explanation = client.cancel("a/../b")
        assert server.requests[0].path == "/v1/explanations/a%2F..%2Fb/cancel"

    assert explanation.cancel_requested


def test_models_keep_fields_of_a_newer_service(connect: Connect) -> None:
    catalog = {"models": [{"name": "vgg16", "layer": "block5_conv3"}], "default": "vgg16"}
    with scripted(Response(200, catalog)) as server, connect(server.url) as client:
        models = client.models()

    assert models.default == "vgg16"
    assert models.models[0].model_extra == {"layer": "block5_conv3"}


def maps_response(maps: Any) -> Response:
    file = io.BytesIO()
    np.save(file, maps)
    return Response(200, file.getvalue())


OPERATIONS: dict[str, tuple[str, Response]] = {
    "get": ("", Response(200, explanation_document("queued"))),
    "wait": ("?wait=20", Response(200, succeeded_document())),
    "cancel": ("/cancel", Response(200, explanation_document("cancelled"))),
    "overlay": ("/overlay", Response(200, b"\xff\xd8jpeg")),
    "heatmap": ("/heatmap", Response(200, b"\x89PNG")),
    "contours": ("/contours", Response(200, b"\xff\xd8jpeg")),
    "map": ("/map.npy", maps_response(np.zeros((1, 2, 3), np.float32))),
    "events": (
        "/events",
        Response(
            200, f"id: end\ndata: {json.dumps(explanation_document('cancelled'))}\n\n".encode()
        ),
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("by_id", [True, False], ids=["by id", "by explanation"])
def test_operations_take_an_explanation_or_its_id(
    connect: Connect, operation: str, by_id: bool
) -> None:
    path, response = OPERATIONS[operation]
    explanation = Explanation.model_validate(explanation_document("queued"))
    with scripted(response) as server, connect(server.url) as client:
        answer = getattr(client, operation)(EXPLANATION_ID if by_id else explanation)
        if operation == "events":
            list(answer)
        [request] = server.requests
    assert request.path == f"/v1/explanations/{EXPLANATION_ID}{path}"


def test_an_overlay_of_a_target_is_fetched_by_id(connect: Connect) -> None:
    with scripted(Response(200, b"\xff\xd8jpeg")) as server, connect(server.url) as client:
        client.overlay(EXPLANATION_ID, target=1)
        assert server.requests[0].path == f"/v1/explanations/{EXPLANATION_ID}/overlay?map=1"


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_a_file_that_cannot_be_written_is_left_as_it_was(
    connect: Connect, tmp_path: Path, name: str
) -> None:
    files = {name: b"earlier", f"{name}.part": b"a file of the user"}
    for each, content in files.items():
        (tmp_path / each).write_bytes(content)
    maps = maps_response(np.zeros((1, 70, 70), np.float32))
    with (
        scripted(maps) as server,
        connect(server.url) as client,
        largest_file(10_000),
        pytest.raises(OSError, match=r"File too large|requested and \d+ written"),
    ):
        client.save(EXPLANATION_ID, tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_a_saved_file_replaces_no_other(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.png.part").write_bytes(b"a file of the user")
    with scripted(Response(200, b"png")) as server, connect(server.url) as client:
        saved = client.save(EXPLANATION_ID, tmp_path / "a.png")
    assert saved.stat().st_mode & 0o777 == (tmp_path / "a.png.part").stat().st_mode & 0o777
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {"a.png": b"png", "a.png.part": b"a file of the user"}
