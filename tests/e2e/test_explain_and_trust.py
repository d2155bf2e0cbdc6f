"""`seewhy explain` and `seewhy trust` with a running service."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from optionals import present
from seewhy.client import Client, RequestRejected
from servers.up import running_up

MODEL = "efficientnet-lite0"
BOXES = "name,x,y,width,height\ncat.jpg,120,80,235,205\ncoffee.jpg,173,18,237,192\n"
PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_up(tmp_path_factory.mktemp("up") / "data", model=MODEL) as up:
        yield up.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos and a broken one."""
    for name in ("cat.jpg", "coffee.jpg", "tripod.jpg"):
        shutil.copy(PHOTOS / name, tmp_path)
    (tmp_path / "broken.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes()[:200])
    return tmp_path


def seewhy(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seewhy.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def test_photos_are_listed_and_their_overlays_saved_beside_them(url: str, folder: Path) -> None:
    shown = seewhy("explain", folder / "cat.jpg", folder / "coffee.jpg", "--url", url)

    assert shown.returncode == 0, shown.stderr
    [_, cat, coffee] = shown.stdout.splitlines()
    assert cat.split()[:4] == ["cat.jpg", "tiger", "cat", "(282)"]
    assert "(967)" in coffee
    photo, overlay = (cv2.imread(str(folder / name)) for name in ("cat.jpg", "cat.seewhy.jpg"))
    assert photo is not None
    assert overlay is not None
    assert overlay.shape == photo.shape
    assert (overlay != photo).any()


def test_each_of_several_targets_has_a_row_and_an_overlay(url: str, folder: Path) -> None:
    out = folder / "overlays"
    shown = seewhy(
        "explain", folder / "cat.jpg", "--url", url, "--targets", "tiger cat,281", "--out", out,
        "--html",
    )  # fmt: skip

    assert shown.returncode == 0, shown.stderr
    assert [line.split("(")[1][:3] for line in shown.stdout.splitlines()[1:]] == ["282", "281"]
    saved = {"cat.seewhy.jpg", "cat.seewhy.2.jpg", "cat.seewhy.html"}
    assert {path.name for path in out.iterdir()} == saved
    assert "<title>tiger cat: " in (out / "cat.seewhy.html").read_text("utf-8")


def test_the_page_of_the_first_photo_is_opened(url: str, folder: Path) -> None:
    browser, visited = folder / "browser.sh", folder / "visited"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {visited}\n')
    browser.chmod(0o755)
    photos = (folder / "coffee.jpg", folder / "cat.jpg")
    shown = seewhy("explain", *photos, "--url", url, "--open", BROWSER=f"{browser} %s")

    assert shown.returncode == 0, shown.stderr
    assert visited.read_text() == (folder / "coffee.seewhy.html").as_uri()
    assert (folder / "cat.seewhy.html").exists()
    without = seewhy("explain", photos[0], "--url", url, "--open", BROWSER="/bin/false %s")
    assert f"There is no browser to open {folder / 'coffee.seewhy.html'}" in without.stderr


def test_a_broken_photo_does_not_fail_the_others_and_sets_the_exit_status(
    url: str, folder: Path
) -> None:
    shown = seewhy("explain", folder / "cat.jpg", folder / "broken.jpg", "--url", url)

    assert shown.returncode == 1
    assert "tiger cat" in shown.stdout
    assert f"{folder / 'broken.jpg'}: " in shown.stderr
    assert "(broken_image, HTTP 422)" in shown.stderr
    assert "1 of 2 photos failed" in shown.stderr
    assert (folder / "cat.seewhy.jpg").exists()


def test_a_misspelt_name_is_refused_before_any_service_starts(folder: Path) -> None:
    shown = seewhy("explain", folder / "cat.jpg", folder / "cofee.jpg")

    assert shown.returncode == 2
    assert "no such file or folder; did you mean" in shown.stderr
    assert "started (process" not in shown.stderr
    assert shown.stdout == ""


@pytest.mark.parametrize("option", ["--json", "--ndjson"])
def test_the_results_of_a_folder_are_printed_as_json(url: str, folder: Path, option: str) -> None:
    shown = seewhy("explain", folder, "--url", url, option)

    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    ends = json.loads(shown.stdout) if option == "--json" else [json.loads(line) for line in lines]
    by_name = {Path(end["photo"]).name: end for end in ends}
    assert set(by_name) == {"broken.jpg", "cat.jpg", "coffee.jpg", "tripod.jpg"}
    assert "broken_image" in by_name["broken.jpg"]["error"]
    cat = by_name["cat.jpg"]
    assert cat["explanation"]["result"]["targets"][0]["score"]["label"] == "tiger cat"
    assert cat["overlays"] == [str(folder / "cat.seewhy.jpg")]


def test_an_unreachable_service_prints_one_message(folder: Path) -> None:
    shown = seewhy("explain", folder / "cat.jpg", "--url", "http://127.0.0.1:9")

    assert shown.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in shown.stderr
    assert "Traceback" not in shown.stderr


def python_blocks(page: str) -> list[str]:
    text = (PHOTOS.parents[1] / page).read_text("utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run_example(example: str, url: str, *, folder: Path) -> str:
    """Run the Python example of a page against a service; return what it prints."""
    (folder / "examples").symlink_to(PHOTOS.parent)
    run = subprocess.run(
        [sys.executable, "-c", example.replace("http://127.0.0.1:8000", url)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_example_of_regions_runs(url: str, tmp_path: Path) -> None:
    (example,) = python_blocks("docs/regions.md")
    assert len(example.strip().splitlines()) <= 12
    printed = run_example(example, url, folder=tmp_path)
    box, found, mask = printed.splitlines()
    assert re.fullmatch(r"3[12]\d x 30\d pixels, (89|9\d)%", box)
    assert re.fullmatch(r"1 region, [23]\d vertices", found)
    assert mask == "(400, 600) True"


def test_the_example_in_the_readme_runs(url: str, tmp_path: Path) -> None:
    (example,) = python_blocks("README.md")
    assert len(example.strip().splitlines()) <= 12
    printed = run_example(example, url, folder=tmp_path)
    assert re.match(r"[\w ]+: 0\.\d\d, map ok\n", printed)
    assert present(cv2.imread(str(tmp_path / "cat.seewhy.jpg"))).shape == (300, 451, 3)


def test_our_side_of_the_comparison_with_other_libraries_runs(url: str, tmp_path: Path) -> None:
    blocks = python_blocks("docs/coming-from-other-libraries.md")
    ours = [block for block in blocks if "client." in block]
    assert len(ours) == 8
    run_example("\n".join(ours), url, folder=tmp_path)


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
    shown = seewhy("trust", *named, "--methods", "gradcam,eigencam", "--url", url, *arguments)

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
    shown = seewhy("trust", photos / "cat.jpg", "--methods", "gradcam,magic", "--url", url)

    assert shown.returncode == 1
    assert "gradcam" in shown.stdout
    assert "cat.jpg by magic: " in shown.stderr
    assert "1 of 2 explanations failed" in shown.stderr


def test_an_error_in_the_boxes_prints_one_message(url: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("name,x\n")
    shown = seewhy("trust", photos / "cat.jpg", "--url", url, "--boxes", tmp_path / "boxes.csv")

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
