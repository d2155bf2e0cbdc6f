"""`seewhy explain --reference` and `--within` with a real model of embeddings."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from embedding_model import write_catalog
from seewhy.cli.app import app
from servers.up import running_up

# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("faces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEWHY_MODELS_FILE", str(write_catalog(folder)))
        with running_up(folder / "data", model="faces") as up:
            yield up.url


def explain(url: str, photo: Path, out: Path, *options: str | Path) -> Result:
    arguments = ("explain", photo, "--json", "--out", out, "--url", url, "--model", "faces")
    return CliRunner().invoke(app, [*map(str, (*arguments, *options))], env={"COLUMNS": "300"})


def test_photos_are_compared_with_a_photo(url: str, photos: Path, tmp_path: Path) -> None:
    scores = {}
    for name in ("cat.jpg", "coffee.jpg"):
        shown = explain(url, photos / name, tmp_path, "--reference", photos / "cat.jpg")
        assert shown.exit_code == 0, shown.stderr
        (explained,) = json.loads(shown.stdout)
        result = explained["explanation"]["result"]
        (score,) = result["top"]
        assert score["label"] == "reference"
        scores[name] = score["value"], result["reference"]["image_id"]
    (same, image_id), (other, other_id) = scores.values()
    assert image_id == other_id
    assert same == pytest.approx(1.0, abs=1e-6)
    assert other < same


def test_a_box_is_refused_by_a_model_that_scores_no_pixels(
    url: str, photos: Path, tmp_path: Path
) -> None:
    shown = explain(url, photos / "cat.jpg", tmp_path, "--within", "0,0,90,90")
    assert shown.exit_code == 1
    assert "within needs a model that scores each pixel" in shown.stderr
