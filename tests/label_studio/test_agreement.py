"""What people mark in a real Label Studio is compared with the evidence of a real model."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from seewhy.cli.app import app
from seewhy_api.label_studio.task_scores import AGREEMENT_VERSION
from servers.process_cluster import ProcessCluster, running_api
from servers.real_label_studio import RealLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""

LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="class" toName="image">
    <Choice value="tiger cat"/><Choice value="espresso"/><Choice value="tripod"/>
  </Choices>
  <RectangleLabels name="box" toName="image"><Label value="object"/></RectangleLabels>
</View>"""
PARAMETERS = {"alias": {"object": "*"}}
OBJECTS: Mapping[str, tuple[str, Box]] = {
    "cat": ("tiger cat", (120, 80, 355, 285)),
    "coffee": ("espresso", (173, 18, 410, 210)),
    "tripod": ("tripod", (230, 190, 405, 512)),
}
"""Photo → its class and the object in it."""
WRONG_REASONS = ["watermark-astronaut", "watermark-tripod", "border-tripod"]
RIGHT_REASONS = ["right-tripod", "right-coffee", "right-cat"]
LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Case:
    """A photo, its class, and what a person marks as the object."""

    pixels: NDArray[np.uint8]
    label: str
    box: Box

    @property
    def jpeg(self) -> bytes:
        encoded = io.BytesIO()
        Image.fromarray(self.pixels).save(encoded, "JPEG", quality=95)
        return encoded.getvalue()

    def results(self) -> list[dict[str, Any]]:
        """Return the class and the box as Label Studio stores them."""
        height_px, width_px, _ = self.pixels.shape
        left, top, right, bottom = self.box
        box = {
            "x": 100 * left / width_px,
            "y": 100 * top / height_px,
            "width": 100 * (right - left) / width_px,
            "height": 100 * (bottom - top) / height_px,
        }
        shape = {
            "from_name": "box",
            "to_name": "image",
            "type": "rectanglelabels",
            "original_width": width_px,
            "original_height": height_px,
            "image_rotation": 0,
            "value": {"rotation": 0, **box, "rectanglelabels": ["object"]},
        }
        chosen = {"choices": [self.label]}
        choice = {"from_name": "class", "to_name": "image", "type": "choices", "value": chosen}
        return [choice, shape]


def with_watermark(photo: NDArray[np.uint8], stamp: Case) -> Case:
    """Put the object of another photo into a corner; a person marks what is not covered by it."""
    height_px, width_px, _ = photo.shape
    side_px = min(height_px, width_px) // 2
    left, top, right, bottom = stamp.box
    cropped = Image.fromarray(stamp.pixels).crop((left, top, right, bottom))
    marked = photo.copy()
    marked[-side_px:, -side_px:] = np.asarray(cropped.resize((side_px, side_px)))
    return Case(marked, stamp.label, (0, 0, width_px - side_px, height_px - side_px))


def with_empty_middle(case: Case) -> Case:
    """Replace the middle by gray: the evidence is at the border, and a person marks the middle."""
    height_px, width_px, _ = case.pixels.shape
    left, top, right, bottom = width_px // 4, height_px // 4, 3 * width_px // 4, 3 * height_px // 4
    pixels = case.pixels.copy()
    pixels[top:bottom, left:right] = 127
    return Case(pixels, case.label, (left, top, right, bottom))


@pytest.fixture(scope="module")
def cases(photos: Path) -> dict[str, Case]:
    """Name → a photo whose class the model finds for the right or for a wrong reason."""

    def read(name: str) -> NDArray[np.uint8]:
        return np.asarray(Image.open(photos / f"{name}.jpg").convert("RGB"))

    right = {name: Case(read(name), *of_photo) for name, of_photo in OBJECTS.items()}
    return {f"right-{name}": case for name, case in right.items()} | {
        "watermark-astronaut": with_watermark(read("astronaut"), right["coffee"]),
        "watermark-tripod": with_watermark(read("tripod"), right["coffee"]),
        "border-tripod": with_empty_middle(right["tripod"]),
    }


@pytest.fixture(scope="module")
def service(
    studio: RealLabelStudio, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessCluster]:
    """A service with a real model that measures agreements."""
    with running_api(
        valkey,
        tmp_path_factory.mktemp("service"),
        label_studio_url=studio.url,
        label_studio_api_key=studio.personal_token,
    ) as service:
        service.start_worker()
        service.start_dispatcher()
        yield service


def project_of(
    studio: RealLabelStudio, service: ProcessCluster, cases: Mapping[str, Case]
) -> tuple[int, dict[str, int]]:
    """Return a connected project and its tasks, name → id."""
    files = [(f"{name}.jpg", case.jpeg) for name, case in cases.items()]
    project = studio.create_project(files, LABEL_CONFIG)
    studio.connect(project, f"{service.url}/label-studio", PARAMETERS)
    tasks = studio.tasks(project)
    ids = {name: task["id"] for name in cases for task in tasks if name in task["data"]["image"]}
    assert len(ids) == len(set(ids.values())) == len(cases)
    return project, ids


def ranked(service: ProcessCluster, project: int) -> list[dict[str, Any]]:
    """Return what `seewhy agreement` lists."""
    arguments = ["agreement", str(project), "--json", "--url", service.url]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    listed: list[dict[str, Any]] = json.loads(shown.stdout)["agreements"]
    return listed


def scores(studio: RealLabelStudio, project: int) -> dict[int, float]:
    """Return the agreement that Label Studio has of each task."""
    found = [
        (one["task"], one["score"])
        for one in studio.predictions(project)
        if one["model_version"] == AGREEMENT_VERSION
    ]
    assert len(found) == len(dict(found)), "a task has two scores"
    return dict(found)


def test_right_classes_for_wrong_reasons_come_first_in_seewhy_and_in_label_studio(
    studio: RealLabelStudio, service: ProcessCluster, cases: dict[str, Case]
) -> None:
    project, tasks = project_of(studio, service, cases)
    for name, case in cases.items():
        studio.annotate(tasks[name], case.results())
    wait_until(
        lambda: len(scores(studio, project)) == len(cases), what="all scores", limit_s=LIMIT_S
    )
    names = {task: name for name, task in tasks.items()}
    listed = ranked(service, project)
    for one in listed:
        print(names[one["task"]], one["target"]["label"], one["agreement"])
    assert [names[one["task"]] for one in listed] == WRONG_REASONS + RIGHT_REASONS
    assert {one["is_predicted"] for one in listed} == {True}
    hits = {names[one["task"]] for one in listed if one["agreement"]["pointing_hit"]}
    assert hits == set(RIGHT_REASONS)
    assert scores(studio, project) == {
        one["task"]: pytest.approx(one["agreement"]["energy_inside"], abs=1e-4) for one in listed
    }
    by_score = studio.tasks_by_score(project, AGREEMENT_VERSION)
    assert [names[task] for task in by_score] == WRONG_REASONS + RIGHT_REASONS
    worst = listed[0]
    path = f"{service.url}/v1/explanations/{worst['explanation']}/agreement"
    assert httpx2.get(path).json() == worst
