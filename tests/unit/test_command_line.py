"""The command line without any server."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seewhy.cli.app import app, main

HEAVY = ("boto3", "celery", "cv2", "httpx2", "numpy", "pydantic", "redis")


def test_help_imports_nothing_heavy() -> None:
    program = f"import sys, seewhy.cli.app; print([m for m in {HEAVY} if m in sys.modules])"

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert shown.stdout.decode().strip() == "[]"


def test_every_command_is_listed() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output

    names = (
        "up",
        "explain",
        "trust",
        "fit",
        "api",
        "worker",
        "models",
        "bucket",
        "rebuild",
        "dead",
        "webhooks",
    )
    assert all(f" {name} " in shown for name in names)


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("seewhy 0.")


def test_a_webhook_secret_is_fresh_and_of_32_bytes() -> None:
    first, second = (CliRunner().invoke(app, ["webhooks", "secret"]).output for _ in range(2))

    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.strip().removeprefix("whsec_"), validate=True)) == 32


def test_a_mistake_is_one_sentence_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["seewhy", "models"])
    monkeypatch.setenv("SEEWHY_PORT", "81")

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "seewhy: the environment holds mistakes:\n  SEEWHY_PORT: there is no such setting\n"
    )


def test_the_catalogue_is_listed_with_what_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    lines = CliRunner().invoke(app, ["models"]).output.splitlines()

    [lite] = [line for line in lines if "efficientnet-lite0 " in line]
    [vgg16] = [line for line in lines if "vgg16 (default)" in line]
    assert lite.split()[-1] == "found"
    assert vgg16.rstrip().endswith("not found")
