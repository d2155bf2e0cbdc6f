"""`seewhy trust`, and trust scores in the responses of the service."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optionals import present
from seewhy.client import Client, RequestRejected
from servers.up import running_up

MODEL = "efficientnet-lite0"
BOXES = "name,x,y,width,height\ncat.jpg,120,80,235,205\ncoffee.jpg,173,18,237,192\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_up(tmp_path_factory.mktemp("up") / "data", model=MODEL) as up:
        yield up.url


def trust(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seewhy.cli", "trust", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_each_method_has_a_row_and_every_number_is_written(
    url: str, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "boxes.csv").write_text(BOXES)
    arguments: list[str | Path] = [
        "--boxes",
        tmp_path / "boxes.csv",
        "--json",
        tmp_path / "trust.json",
    ]
    named = [photos / f"{name}.jpg" for name in ("cat", "coffee", "tripod")]
    shown = trust(*named, "--methods", "gradcam,eigencam", "--url", url, *arguments)

    assert shown.returncode == 0, shown.stderr
    title, gradcam, eigencam = (line.split() for line in shown.stdout.splitlines())
    assert title[:5] == ["method", "photos", "insertion", "deletion", "drop"]
    assert gradcam[:2] == ["gradcam", "3"]
    assert eigencam[:2] == ["eigencam", "3"]
    assert float(gradcam[6]) > 1.5
    assert gradcam[7] == "100%"

    written = json.loads((tmp_path / "trust.json").read_text())["gradcam"]
    cat, coffee, tripod = written["photos"]
    assert (cat["class"], cat["pointing_hit"], cat["verdict"]) == ("tiger cat", True, "ok")
    assert 0.5 < coffee["energy_in_box"] < 1
    assert tripod["pointing_hit"] is None
    insertions = [photo["insertion"] for photo in written["photos"]]
    assert written["summary"]["insertion"] == pytest.approx(sum(insertions) / 3)


def test_a_failure_is_named_with_its_method(url: str, photos: Path) -> None:
    shown = trust(photos / "cat.jpg", "--methods", "gradcam,magic", "--url", url)

    assert shown.returncode == 1
    assert "gradcam" in shown.stdout
    assert "cat.jpg by magic: " in shown.stderr
    assert "1 of 2 explanations failed" in shown.stderr


def test_an_error_in_the_boxes_prints_one_message(url: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("name,x\n")
    shown = trust(photos / "cat.jpg", "--url", url, "--boxes", tmp_path / "boxes.csv")

    assert shown.returncode == 2
    assert "has no column y, width, height" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_responses_have_trust_scores_only_on_request(url: str, photos: Path) -> None:
    box = {"x": 120, "y": 80, "width": 235, "height": 205}
    with Client(url) as client:
        with_trust = client.explain(photos / "cat.jpg", outputs=["overlay", "trust"], box=box)
        plain = client.explain(photos / "cat.jpg")
        with pytest.raises(RequestRejected, match="box requires trust"):
            client.submit(photos / "cat.jpg", box=box)

    (target,) = present(with_trust.result).targets
    scores = present(target.trust)
    assert scores.times_better_than_chance > 1
    assert scores.increase is True
    assert scores.pointing_hit is True
    assert 0.5 < scores.energy_in_box < 1
    assert present(plain.result).targets[0].trust is None
