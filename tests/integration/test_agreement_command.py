"""`seewhy agreement`, with a service that answers from a script."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from images import encoded, gradient
from seewhy.cli.app import app
from seewhy.client import Client
from seewhy_api.openapi.examples import AGREEMENTS
from servers.scripted import Request, Response, scripted
from service_documents import REGIONS, succeeded_document


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


def test_the_listed_explanations_become_a_data_set_with_their_agreement(tmp_path: Path) -> None:
    (example,) = AGREEMENTS["agreements"]
    second = example | {"explanation": "gone", "annotation": 3}
    image = encoded(gradient(40, 24), "PNG")

    def answer(request: Request) -> Response:
        path = request.path.split("?")[0]
        if path.endswith("/agreements"):
            return Response(200, AGREEMENTS | {"agreements": [example, second]})
        if path == f"/v1/explanations/{example['explanation']}":
            return Response(200, succeeded_document(id=example["explanation"]))
        if path.endswith("/gone"):
            return Response(404, {"code": "explanation_gone", "detail": "It was deleted."})
        return Response(200, REGIONS if path.endswith("/regions") else image)

    with scripted(answer=answer) as server:
        shown = run("4", "--fiftyone", str(tmp_path / "out"), "--url", server.url)
    assert shown.exit_code == 1, shown.output
    assert "annotation 3 of task 7: It was deleted." in shown.stderr
    (sample,) = json.loads((tmp_path / "out" / "samples.json").read_text("utf-8"))["samples"]
    assert sample["filepath"] == "data/00000-task-7-annotation-2.png"
    assert [sample[name] for name in ("energy_inside", "coverage", "pointing_hit", "iou")] == [
        0.08, 0.22, False, 0.03
    ]  # fmt: skip
    assert (sample["label_studio_task"], sample["label_studio_annotation"]) == (7, 2)
    assert len(sample["regions"]["detections"]) == 1


def test_a_folder_with_files_is_refused_before_the_service_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    shown = run("4", "--fiftyone", str(tmp_path), "--url", "http://127.0.0.1:9")
    assert (shown.exit_code, "is not empty" in shown.stderr) == (2, True)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["agreement", *arguments], env={"COLUMNS": "200"})
