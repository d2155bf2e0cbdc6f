"""`seewhy explain --input` and `seewhy trust --input` with a real model of three inputs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from patient_model import write_patient_model
from seewhy.cli.app import app
from servers.up import running_up

# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
DEFAULTS = {"age": [0.4], "site": [1, 0, -1]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("patient")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEWHY_MODELS_FILE", str(write_patient_model(folder)))
        with running_up(folder / "data", model="patient") as up:
            yield up.url


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    for name in ("cat.jpg", "coffee.jpg"):
        shutil.copy(photos / name, tmp_path)
    return tmp_path


def seewhy(url: str, *arguments: str | Path) -> Result:
    command = [*map(str, arguments), "--url", url, "--model", "patient"]
    return CliRunner().invoke(app, command, env={"COLUMNS": "300"})


def results(url: str, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Explain the photos of a folder; return their results."""
    shown = seewhy(url, "explain", folder, "--json", "--targets", "unclear", *arguments)
    assert shown.exit_code == 0, shown.stderr
    return [each["explanation"]["result"] for each in json.loads(shown.stdout)]


def test_all_photos_of_a_folder_are_explained_with_the_given_values(url: str, folder: Path) -> None:
    usual = results(url, folder)
    older = results(url, folder, "--input", "age = 0.9", "--input", "site=0,1,0.5")
    assert [each["inputs"] for each in usual] == [DEFAULTS] * 2
    assert [each["inputs"] for each in older] == [{"age": [0.9], "site": [0, 1, 0.5]}] * 2
    for one, other in zip(usual, older, strict=True):
        assert one["targets"][0]["score"]["logit"] != other["targets"][0]["score"]["logit"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("sex=1", "the model has no input 'sex'; its inputs are: age, site. Example: "),
        ("site=1,2", "the input 'site' takes 3 numbers, not 2. Example: "),
    ],
)
@pytest.mark.parametrize("command", ["explain", "trust"])
def test_values_that_do_not_fit_the_model_are_refused_before_a_photo_is_sent(
    url: str, folder: Path, command: str, given: str, complaint: str
) -> None:
    shown = seewhy(url, command, folder, "--input", given)
    assert shown.exit_code == 2
    assert f"{complaint}--input age=0.4 --input site=1,0,-1" in shown.stderr
    assert shown.stdout == ""


def test_maps_are_measured_with_the_given_values(url: str, folder: Path, tmp_path: Path) -> None:
    insertions = []
    for age in ("0.4", "3"):
        file = tmp_path / f"{age}.json"
        options = ("--methods", "gradcam", "--target", "unclear", "--input", f"age={age}")
        shown = seewhy(url, "trust", folder / "cat.jpg", *options, "--json", file)
        assert shown.exit_code == 0, shown.stderr
        insertions.append(json.loads(file.read_text())["gradcam"]["summary"]["insertion"])
    assert insertions[0] != insertions[1]


def test_a_model_of_one_image_takes_no_inputs(url: str, folder: Path) -> None:
    command = ["explain", str(folder), "--url", url, "--model", "vgg16", "--input", "age=1"]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    assert shown.exit_code == 2
    assert "its inputs are: none beside the image. Leave out --input" in shown.stderr
