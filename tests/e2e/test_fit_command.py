"""`seewhy fit`: images in a folder become a model, and `seewhy explain` explains with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeled_images import make_set, varied
from seewhy.imaging.codecs import encode_jpeg
from servers.waiting import wait_until

NAMES = ("cat", "coffee", "rocket")


def seewhy(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seewhy.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "COLUMNS": "200", **variables},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """Twelve images of each class, and one cut short."""
    folder = tmp_path_factory.mktemp("fit") / "things"
    make_set(photos, folder, names=NAMES, each=12)
    (folder / "cat" / "short.jpg").write_bytes((photos / "cat.jpg").read_bytes()[:900])
    return folder


@pytest.fixture(scope="module")
def fitted(folder: Path) -> subprocess.CompletedProcess[str]:
    out = folder.with_name("things.keras")
    return seewhy("fit", folder, "--base", "efficientnet-lite0", "--out", out)


def test_held_out_images_are_classified_correctly(
    fitted: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert fitted.returncode == 0, fitted.stderr
    found = re.match(r"held-out accuracy: \S+% \((\d+) of (\d+);", fitted.stdout)
    assert found is not None
    right, count = map(int, found.groups())
    assert count == 6
    assert right / count >= 0.9
    assert f"skipped {folder / 'cat' / 'short.jpg'}: the image is truncated" in fitted.stderr


def test_the_printed_commands_explain_unseen_images_with_a_service_that_stops(
    fitted: subprocess.CompletedProcess[str], photos: Path, tmp_path: Path
) -> None:
    export, explain = fitted.stdout.splitlines()[-2:]
    variable, _, catalog = export.removeprefix("export ").partition("=")
    for number, name in enumerate(NAMES):
        fresh = varied(photos / f"{name}.jpg", seed=100 * number + 99)
        (tmp_path / f"{name}.jpg").write_bytes(encode_jpeg(fresh))
    command = explain.removeprefix("seewhy ").split()
    at = command.index("PHOTO")
    command[at : at + 1] = [str(tmp_path / f"{name}.jpg") for name in NAMES]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    shown = seewhy(*command, **{variable: catalog, "TMPDIR": str(temporary)})

    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()[1:]]
    assert [row[1] for row in rows] == list(NAMES)
    assert [row[5] for row in rows] == ["ok"] * len(NAMES)
    assert "valkey │ stopped" in shown.stderr
    assert not list(temporary.iterdir())
    photo, overlay = (cv2.imread(str(tmp_path / f"cat{end}")) for end in (".jpg", ".seewhy.jpg"))
    assert photo is not None
    assert overlay is not None
    assert np.abs(overlay.astype(int) - photo).max() > 30


def test_the_model_passes_the_check(fitted: subprocess.CompletedProcess[str], folder: Path) -> None:
    shown = seewhy("models", "check", folder.with_name("things.keras"))
    assert shown.returncode == 0, shown.stderr
    assert fitted.returncode == 0
    assert "target layer: top_relu" in shown.stdout.splitlines()
    assert "classes: 3, probabilities by softmax" in shown.stdout.splitlines()
    assert "WARNING" not in shown.stdout


def test_an_interruption_leaves_no_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "things.keras"
    command = ["fit", str(folder), "--base", "efficientnet-lite0", "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "seewhy.cli", *command],
        stderr=subprocess.PIPE,
        text=True,
        # Processes that a shell runs in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        wait_until(
            lambda: out.parent.is_dir() and any(out.parent.iterdir()),
            what="the features are being computed",
            limit_s=120,
        )
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "seewhy: interrupted; no model was written"
    assert list(out.parent.iterdir()) == []


def test_an_existing_model_is_not_overwritten(
    fitted: subprocess.CompletedProcess[str], folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "things.keras"
    shutil.copy(folder.with_name("things.keras"), kept)
    again = seewhy("fit", folder, "--base", "efficientnet-lite0", "--out", kept)
    assert fitted.returncode == 0
    assert again.returncode == 1
    assert again.stderr == (f"seewhy: {kept} exists: choose another --out, or add --overwrite.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["things.keras"]
