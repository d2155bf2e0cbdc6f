"""The command line without any server."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seewhy.cli.app import app, main

HEAVY_PACKAGES = ("boto3", "celery", "cv2", "httpx2", "numpy", "pydantic", "redis")
COMMANDS = (
    "up",
    "explain",
    "trust",
    "export",
    "agreement",
    "fit",
    "api",
    "worker",
    "dispatcher",
    "workers",
    "models",
    "bucket",
    "rebuild",
    "plan",
    "keys",
    "dead",
    "webhooks",
)


def test_importing_the_command_line_imports_no_heavy_package() -> None:
    program = (
        f"import sys, seewhy.cli.app; print([m for m in {HEAVY_PACKAGES} if m in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert shown.stdout.decode().strip() == "[]"


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output

    assert all(f" {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])

    assert shown.exit_code == 0
    assert f"Usage: seewhy {command}" in shown.output


def test_version_is_shown() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("seewhy 0.")


def test_webhook_secrets_are_random_and_have_32_bytes() -> None:
    first, second = (CliRunner().invoke(app, ["webhooks", "secret"]).output for _ in range(2))

    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.strip().removeprefix("whsec_"), validate=True)) == 32


def test_a_wrong_setting_prints_one_message_and_exits_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["seewhy", "models"])
    monkeypatch.setenv("SEEWHY_PORT", "81")

    with pytest.raises(SystemExit) as exited:
        main()

    assert exited.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("seewhy: ")
    assert "SEEWHY_PORT" in printed
    assert "Traceback" not in printed


def test_models_lists_the_catalog_and_the_weights_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    lines = CliRunner().invoke(app, ["models"]).output.splitlines()

    [lite] = [line for line in lines if "efficientnet-lite0 " in line]
    [vgg16] = [line for line in lines if "vgg16 (default)" in line]
    assert lite.split()[-1] == "found"
    assert vgg16.rstrip().endswith("not found")
