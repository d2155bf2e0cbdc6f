"""`seewhy explain` with a running service and with a temporary one."""

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
from servers.up import running_up

MODEL = "efficientnet-lite0"
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


def explain(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seewhy.cli", "explain", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_photos_are_listed_and_their_overlays_saved_beside_them(url: str, folder: Path) -> None:
    shown = explain(folder / "cat.jpg", folder / "coffee.jpg", "--url", url)

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
    shown = explain(folder / "cat.jpg", "--url", url, "--targets", "tiger cat,281", "--out", out)

    assert shown.returncode == 0, shown.stderr
    assert [line.split("(")[1][:3] for line in shown.stdout.splitlines()[1:]] == ["282", "281"]
    assert {path.name for path in out.iterdir()} == {"cat.seewhy.jpg", "cat.seewhy.2.jpg"}


def test_a_broken_photo_does_not_fail_the_others_and_sets_the_exit_status(
    url: str, folder: Path
) -> None:
    shown = explain(folder / "cat.jpg", folder / "broken.jpg", "--url", url)

    assert shown.returncode == 1
    assert "tiger cat" in shown.stdout
    assert f"{folder / 'broken.jpg'}: " in shown.stderr
    assert "(broken_image, HTTP 422)" in shown.stderr
    assert "1 of 2 photos failed" in shown.stderr
    assert (folder / "cat.seewhy.jpg").exists()


def test_a_misspelt_name_is_refused_before_any_service_starts(folder: Path) -> None:
    shown = explain(folder / "cat.jpg", folder / "cofee.jpg")

    assert shown.returncode == 2
    assert "no such file or folder; did you mean" in shown.stderr
    assert "started (process" not in shown.stderr
    assert shown.stdout == ""


@pytest.mark.parametrize("option", ["--json", "--ndjson"])
def test_the_results_of_a_folder_are_printed_as_json(url: str, folder: Path, option: str) -> None:
    shown = explain(folder, "--url", url, option)

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
    shown = explain(folder / "cat.jpg", "--url", "http://127.0.0.1:9")

    assert shown.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_without_a_service_a_temporary_one_runs_and_stops(folder: Path) -> None:
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "seewhy.cli", "explain", str(folder / "cat.jpg")]
    shown = subprocess.run(
        [*command, "--model", MODEL],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, "COLUMNS": "200", "TMPDIR": str(temporary)},
    )

    assert shown.returncode == 0, shown.stderr
    assert "tiger cat (282)" in shown.stdout
    assert "valkey │ stopped" in shown.stderr
    assert not list(temporary.iterdir())


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
