"""The import contracts of pyproject.toml detect violations."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("core", "api", "worker", "models", "loadtest")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and of the contracts."""
    folder = tmp_path_factory.mktemp("copy")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.keras"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken_contracts(folder: Path) -> list[str]:
    """Run import-linter on a copy; return the names of the broken contracts, one per line."""
    paths = os.pathsep.join(str(folder / part) for part in PARTS)
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    return [line.strip() for line in run.stdout.splitlines() if " BROKEN" in line]


@pytest.mark.parametrize(
    ("module", "violation", "contract"),
    [
        ("core/seewhy/schemas/job.py", "import seewhy.ledger.types", "Core imports downwards"),
        ("core/seewhy/storage/keys.py", "import seewhy.ledger.types", "Core imports downwards"),
        ("api/seewhy_api/http/problems.py", "import seewhy_api.app", "The API imports downwards"),
        (
            "worker/seewhy_worker/cam/layer/gradcam.py",
            "import seewhy_worker.pipeline.device",
            "The worker imports downwards",
        ),
        ("api/seewhy_api/app.py", "import seewhy_worker.app", "never import each other"),
        ("api/seewhy_api/webhooks/client.py", "import httpcore2", "Only the outgoing package"),
        ("core/seewhy/ids.py", "import flask", "Core uses no web framework"),
        ("worker/seewhy_worker/app.py", "import keras", "use a tensor library"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    copy: Path, module: str, violation: str, contract: str
) -> None:
    file = copy / module
    text = file.read_text("utf-8")
    file.write_text(f"{text}\n{violation}\n", "utf-8")
    try:
        broken = broken_contracts(copy)
    finally:
        file.write_text(text, "utf-8")
    assert any(contract in line for line in broken), broken


def test_an_unknown_module_of_core_breaks_the_layers(copy: Path) -> None:
    file = copy / "core/seewhy/newcomer.py"
    file.write_text('"""A module without a layer."""\n', "utf-8")
    try:
        assert any("Core imports downwards" in line for line in broken_contracts(copy))
    finally:
        file.unlink()
