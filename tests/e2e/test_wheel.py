"""The wheel, installed with its dependencies into an empty environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from seewhy.viewer.assets import ASSETS, read_asset

ROOT = Path(__file__).parents[2]
PAGE_SCRIPT = """
from seewhy.settings import load
from seewhy_api.app import create_api
from seewhy_api.inspector.assets import NAMES, version

settings = load({}, store_url="file:///tmp", redis_url="redis://127.0.0.1:1/0")
client = create_api(settings).flask.test_client()
for path in ("/", *(f"/inspector/{version()}/{name}" for name in NAMES)):
    answer = client.get(path)
    print(answer.status_code, len(answer.data) > 0, path)
page = client.get("/explanation/x", headers={"Accept": "text/html"})
print(page.status_code, "<h1>The service cannot do this now</h1>" in page.text)
"""
"""Reads each file of the pages, and one page that is written from a template."""


def run(*command: str | Path, cwd: Path, timeout_s: int = 300) -> str:
    """Run a command without this project's environment; return its output."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SEEWHY_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | {"UV_SYSTEM_CERTS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build and install the wheel; yield the `bin` folder of the new environment."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("seewhy-*.whl")
    uv = Path(sys.executable).parent / "uv"
    python = folder / "env" / "bin" / "python"
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "env", cwd=folder)
    run(
        *(uv, "pip", "install", "--quiet", "--python", python),
        *("--constraint", ROOT / "requirements" / "dev.txt", f"{wheel}[embedded]"),
        cwd=folder,
        timeout_s=600,
    )
    yield python.parent
    shutil.rmtree(folder / "env")  # two gigabytes, and pytest keeps three runs


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder outside the project."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def test_the_installed_packages_are_not_those_of_the_checkout(
    installed: Path, outside: Path
) -> None:
    script = (
        "import seewhy, seewhy_api, seewhy_worker, seewhy_models\n"
        "print(seewhy.__file__, seewhy_api.__file__, seewhy_worker.__file__, "
        "seewhy_models.__file__, sep='\\n')"
    )
    paths = run(installed / "python", "-c", script, cwd=outside).splitlines()
    assert len(paths) == 4
    assert all(Path(path).is_relative_to(installed.parent) for path in paths)


def test_the_offline_model_ships_in_the_wheel(installed: Path, outside: Path) -> None:
    script = (
        "from seewhy.catalog.catalog import Catalog; from seewhy.settings import load; "
        "from seewhy.catalog.weights import find_weights; settings = load({}); "
        "print(find_weights(Catalog.load(settings).get('efficientnet-lite0'), settings))"
    )
    found = Path(run(installed / "python", "-c", script, cwd=outside).strip())
    assert found.is_relative_to(installed.parent)
    assert found.read_bytes() == (ROOT / "models/seewhy_models" / found.name).read_bytes()


def test_every_file_of_the_viewer_ships_in_the_wheel(installed: Path, outside: Path) -> None:
    script = (
        "from hashlib import sha256; from seewhy.viewer.assets import ASSETS, read_asset\n"
        "for name in ASSETS: print(name, sha256(read_asset(name)).hexdigest())"
    )
    found = run(installed / "python", "-c", script, cwd=outside).splitlines()
    assert found == [f"{name} {sha256(read_asset(name)).hexdigest()}" for name in ASSETS]


def test_the_command_shows_its_version(installed: Path, outside: Path) -> None:
    assert "0.1.0" in run(installed / "seewhy", "--version", cwd=outside)


def test_the_command_lists_the_shipped_models(installed: Path, outside: Path) -> None:
    listed = run(installed / "seewhy", "models", cwd=outside)
    assert "vgg16" in listed
    assert "efficientnet-lite0" in listed


def test_the_wheel_has_each_file_of_the_pages(installed: Path, outside: Path) -> None:
    printed = run(installed / "python", "-c", PAGE_SCRIPT, cwd=outside).splitlines()
    *files, template = printed
    assert len(files) > 5
    assert [line for line in files if not line.startswith("200 True /")] == []
    assert template == "503 True"


def test_a_photo_is_explained_end_to_end_from_the_wheel(installed: Path, outside: Path) -> None:
    photo = ROOT / "examples" / "photos" / "cat.jpg"
    command = (installed / "seewhy", "explain", photo, "--model", "efficientnet-lite0")
    printed = run(*command, "--html", "--out", outside / "overlays", cwd=outside)
    assert "tiger cat" in printed
    page, overlay = sorted((outside / "overlays").iterdir())
    assert 'customElements.define("seewhy-map"' in page.read_text("utf-8")
    assert overlay.read_bytes()[:3] == b"\xff\xd8\xff"
    assert overlay.read_bytes() != photo.read_bytes()
