"""A real Label Studio opens what `seewhy export --format label-studio` writes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from label_studio_rules import check_results
from seewhy.cli.app import app
from seewhy.client import Client, Item
from servers.process_cluster import ProcessCluster
from servers.real_label_studio import RealLabelStudio

NAMES = ["cat.jpg", "coffee.jpg"]


@pytest.fixture
def exported(cluster: ProcessCluster, photos: Path, studio: RealLabelStudio) -> Path:
    """The data set of a batch, in the folder whose files Label Studio serves."""
    cluster.start_stub_worker()
    out = studio.files
    with Client(cluster.url) as client:
        items = [Item((photos / name).read_bytes(), key=name) for name in NAMES]
        batch = client.batches.wait(client.batches.create(items), timeout_s=120).id
    arguments = ["export", batch, "--format", "label-studio", "--out", str(out)]
    run = CliRunner().invoke(app, [*arguments, "--url", cluster.url])
    assert run.exit_code == 0, run.output
    return out


def test_label_studio_imports_the_tasks_their_predictions_and_their_images(
    studio: RealLabelStudio, exported: Path
) -> None:
    config = (exported / "labeling_config.xml").read_text("utf-8")
    tasks = json.loads((exported / "tasks.json").read_text("utf-8"))
    project = studio.create_project([], config)
    studio.serve_folder(project, exported / "images")
    studio.call("POST", f"projects/{project}/import", json=tasks)
    predictions = {one["task"]: one for one in studio.predictions(project)}
    imported = studio.tasks(project)
    assert len(imported) == len(predictions) == len(NAMES)
    for task, written in zip(imported, tasks, strict=True):
        (expected,) = written["predictions"]
        assert predictions[task["id"]]["result"] == expected["result"]
        assert predictions[task["id"]]["score"] == expected["score"]
        check_results(expected["result"], config)
        image = studio.client.get(task["data"]["image"])
        assert image.headers["Content-Type"] == "image/png"
        name = task["data"]["image"].rpartition("/")[2]
        assert image.content == (exported / "images" / name).read_bytes()
