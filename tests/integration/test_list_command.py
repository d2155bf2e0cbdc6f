"""Lists of explanations, with a service that answers from a script."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from seewhy.cli.app import app
from seewhy.client import Client
from seewhy.ids import new_job_id
from seewhy_api.openapi.examples import SUMMARIES
from servers.scripted import Response, scripted

(EXAMPLE,) = SUMMARIES["summaries"]


def with_bits(bits: float | None, **fields: Any) -> dict[str, Any]:
    suspicion = None if bits is None else EXAMPLE["suspicion"] | {"score": bits}
    return EXAMPLE | {"id": new_job_id(), "suspicion": suspicion} | fields


def page(*summaries: dict[str, Any], following: str | None = None) -> Response:
    return Response(200, {"summaries": summaries, "next": following})


def run(*arguments: str) -> Result:
    shown = CliRunner().invoke(app, ["list", *arguments], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    return shown


def test_the_client_reads_all_pages() -> None:
    first, second = with_bits(1.5), with_bits(None, status="queued", answer=None, key="a")
    with (
        scripted(page(first, following="next-id"), page(second)) as server,
        Client(server.url) as client,
    ):
        found = list(client.summaries())
        paths = [request.path for request in server.requests]
    assert paths == ["/v1/summaries?limit=200", "/v1/summaries?limit=200&before=next-id"]
    assert [one.id for one in found] == [first["id"], second["id"]]
    assert found[0].suspicion
    assert found[0].suspicion.parts[0].words == "70 % of the evidence is at the border"
    assert (found[1].suspicion, found[1].key, found[1].status) == (None, "a", "queued")


def test_a_reader_that_stops_asks_for_no_further_page() -> None:
    with scripted(page(with_bits(1), following="n")) as server, Client(server.url) as client:
        next(client.batches.summaries("b1"))
        assert [request.path for request in server.requests] == [
            "/v1/batches/b1/summaries?limit=200"
        ]


def test_the_most_suspicious_are_listed_first() -> None:
    low, high = with_bits(1.5), with_bits(13.2877, key="b.jpg")
    failed = with_bits(None, answer=None, error={"code": "bad_image", "detail": "It is no image."})
    with scripted(page(failed, low, following="200"), page(high)) as server:
        shown = run("--batch", "b1", "--url", server.url)
        assert server.requests[1].path == "/v1/batches/b1/summaries?limit=200&first=200"
    rows = shown.stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [high["id"], low["id"], failed["id"]]
    assert "b.jpg" in rows[0]
    assert "41%  13.3  70 % of the evidence is at the border" in rows[0]
    assert "It is no image." in rows[2]


def test_json_has_as_many_as_asked_for_in_the_order_of_the_service() -> None:
    summaries = [with_bits(bits) for bits in (1, 3, 2)]
    with scripted(page(*summaries)) as server:
        shown = run("--as-listed", "--limit", "2", "--json", "--url", server.url)
    listed = json.loads(shown.stdout)
    assert [one["id"] for one in listed] == [one["id"] for one in summaries[:2]]
    assert listed[0]["suspicion"]["score"] == 1
