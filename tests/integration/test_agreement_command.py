"""`seewhy agreement`, with a service that answers from a script."""

import json

from typer.testing import CliRunner, Result

from seewhy.cli.app import app
from seewhy.client import Client
from seewhy_api.openapi.examples import AGREEMENTS
from servers.scripted import Response, scripted


def test_the_worst_agreements_are_listed() -> None:
    with scripted(Response(200, AGREEMENTS)) as server:
        shown = run("4", "--limit", "7", "--url", server.url)
        assert server.requests[0].path == "/label-studio/projects/4/agreements?limit=7"
    assert shown.exit_code == 0, shown.output
    row = next(line for line in shown.stdout.splitlines() if "tiger cat" in line).split()
    assert row[:2] == ["7", "2"]
    assert row[4:9] == ["41%", "8%", "22%", "miss", "0.03"]
    assert "1 of 120 annotations" in shown.stderr


def test_json_is_what_the_service_has() -> None:
    with scripted(Response(200, AGREEMENTS)) as server:
        shown = run("4", "--json", "--url", server.url)
    assert json.loads(shown.stdout)["agreements"] == AGREEMENTS["agreements"]


def test_one_agreement_is_read_by_the_id_of_its_explanation() -> None:
    (example,) = AGREEMENTS["agreements"]
    with (
        scripted(Response(200, example)) as server,
        Client(server.url) as client,
    ):
        measured = client.agreement(example["explanation"])
        assert server.requests[0].path == f"/v1/explanations/{example['explanation']}/agreement"
    assert measured.agreement.energy_inside == 0.08


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["agreement", *arguments], env={"COLUMNS": "200"})
