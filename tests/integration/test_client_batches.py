"""`client.batches` when connections break, against scripted servers."""

import json
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from awaited_client import Connect, both_clients
from seewhy.client import Item, RequestRejected, ServiceUnreachable, UnexpectedResponse
from servers.receivers import answer, in_turn, receiving
from servers.scripted import Response, scripted
from service_documents import BATCH_ID, batch_document, result_line

pytestmark = both_clients


def raw(body: bytes, *, length: int | None = None) -> bytes:
    """Return a response; with another `length` than that of its body, it is cut off."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_batch_is_sent_as_lines_again_with_the_same_key_when_the_answer_is_lost(
    connect: Connect, tmp_path: Path
) -> None:
    photo = tmp_path / "cat.jpg"
    photo.write_bytes(b"\xff\xd8image")
    items: list[Item | Path | bytes] = [
        photo,
        Item("https://photos.example/a.jpg", key="a", targets=[7]),
        b"png",
    ]
    with scripted(
        Response(hang_up=True), Response(202, batch_document(total=3, waiting=3))
    ) as server:
        with connect(server.url) as client:
            accepted = client.batches.create(items, method="gradcam", outputs=[])
        lost, sent = server.requests
    assert (accepted.id, accepted.counts.total, accepted.counts.ended) == (BATCH_ID, 3, 0)
    assert sent.path.startswith("/v1/batches?request=%7B%22method")
    assert (lost.body, lost.headers["idempotency-key"]) == (
        sent.body, sent.headers["idempotency-key"],
    )  # fmt: skip
    assert sent.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(one) for one in sent.body.splitlines()] == [
        {"image_base64": "/9hpbWFnZQ=="},
        {"image_url": "https://photos.example/a.jpg", "key": "a", "targets": [7]},
        {"image_base64": "cG5n"},
    ]


def test_results_continue_after_the_last_item_when_the_connection_breaks(connect: Connect) -> None:
    cut = raw(result_line(0) + result_line(1, "refused") + b'{"index": 2, "sta', length=5000)
    with (
        receiving(in_turn(answer(cut), answer(raw(result_line(2, "gone"))))) as server,
        connect(f"http://127.0.0.1:{server.port}") as client,
    ):
        items = list(client.batches.results(BATCH_ID))
    assert [(item.index, item.status.value) for item in items] == [
        (0, "waiting"),
        (1, "refused"),
        (2, "gone"),
    ]
    first, second = (head.split()[1].decode() for head in server.heads)
    assert (first, second) == (
        f"/v1/batches/{BATCH_ID}/results",
        f"/v1/batches/{BATCH_ID}/results?after=1",
    )


def test_an_invalid_line_is_unexpected(connect: Connect) -> None:
    with (
        scripted(Response(200, b"{}\n")) as server,
        connect(server.url) as client,
        pytest.raises(UnexpectedResponse, match="invalid item"),
    ):
        list(client.batches.results(BATCH_ID))


def test_events_yield_batches_until_the_end(connect: Connect) -> None:
    running = f"id: 1-0\ndata: {json.dumps(batch_document('running', total=1, running=1))}\n\n"
    end = f"id: end\ndata: {json.dumps(batch_document('finished', total=1, succeeded=1))}\n\n"
    streams = [Response(200, b"retry: 10\n\n" + text.encode()) for text in (running, end)]
    with scripted(*streams) as server:
        with connect(server.url) as client:
            events = list(client.batches.events(BATCH_ID))
        assert server.requests[1].headers["last-event-id"] == "1-0"
    assert [(event.status.value, event.counts.ended) for event in events] == [
        ("running", 0),
        ("finished", 1),
    ]


def test_a_batch_is_cancelled(connect: Connect) -> None:
    cancelled = batch_document("cancelled", total=2, cancelled=2) | {"cancel_requested": True}
    with scripted(Response(202, cancelled)) as server:
        with connect(server.url) as client:
            ended = client.batches.cancel(BATCH_ID)
        [request] = server.requests
    assert (request.method, request.path) == ("POST", f"/v1/batches/{BATCH_ID}/cancel")
    assert (ended.status.value, ended.cancel_requested, ended.counts.cancelled) == (
        "cancelled", True, 2,
    )  # fmt: skip


def test_a_broken_archive_is_fetched_again_and_appears_when_it_is_complete(
    connect: Connect, tmp_path: Path
) -> None:
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("0.jpg", b"overlay")
    content = file.getvalue()
    cut = answer(raw(content[:20], length=len(content)))
    with (
        receiving(in_turn(cut, answer(raw(content)))) as server,
        connect(f"http://127.0.0.1:{server.port}") as client,
    ):
        saved = client.batches.overlays(BATCH_ID, tmp_path / "overlays.zip")
    assert saved.read_bytes() == content
    with (
        receiving(cut) as server,
        connect(f"http://127.0.0.1:{server.port}", attempts=2) as client,
        pytest.raises(ServiceUnreachable),
    ):
        client.batches.overlays(BATCH_ID, tmp_path / "other.zip")
    with (
        scripted(Response(404, {"code": "unknown_batch"})) as rejecting,
        connect(rejecting.url) as client,
        pytest.raises(RequestRejected),
    ):
        client.batches.overlays(BATCH_ID, tmp_path / "other.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["overlays.zip"]
