"""The check of a model file runs in a child process with limits."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import hostile_models as hostile
import networks
from seewhy.errors import UnsupportedModel
from seewhy_worker.model_check import confinement
from seewhy_worker.model_check.confinement import check_in_child
from seewhy_worker.model_check.request import CheckRequest

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits data")


def requested(
    path: Path, *, memory_bytes: int = 8_000_000_000, timeout_s: float = 120
) -> CheckRequest:
    return CheckRequest(path=path, shuffle=False, memory_bytes=memory_bytes, timeout_s=timeout_s)


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seewhy.cli", "models", "check", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_request_survives_its_way_to_the_child() -> None:
    request = CheckRequest(
        path=Path("/a b/ü.keras"),
        layer="conv",
        output="x",
        size=(10, 20),
        shuffle=False,
        memory_bytes=10**9,
        timeout_s=1.5,
    )
    assert CheckRequest.from_json(request.to_json()) == request


def test_a_file_that_is_a_fifo_ends_the_command_with_one_sentence(tmp_path: Path) -> None:
    shown = checked(hostile.make_fifo(tmp_path / "model.h5"))
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == "seewhy: model.h5 is not a regular file.\n"


@ON_LINUX
def test_memory_that_no_definition_shows_is_limited(tmp_path: Path) -> None:
    path = hostile.write_attention(tmp_path / "model.keras", side_px=160)
    with pytest.raises(UnsupportedModel, match=r"1\.0 GB") as refusal:
        check_in_child(requested(path, memory_bytes=1_000_000_000))
    assert "SEEWHY_MODEL_MEMORY_BYTES" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@ON_LINUX
def test_the_limit_on_data_holds() -> None:
    script = (
        "import numpy as np\n"
        "from seewhy_worker.model_check.child import limit_data\n"
        "limit_data(0)\n"
        "limit_data(200_000_000)\n"
        "assert np.ones(100_000_000, np.uint8).all()\n"
        "try:\n"
        "    np.ones(300_000_000, np.uint8)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "refused\n"


def test_a_check_beyond_its_time_is_ended(tmp_path: Path) -> None:
    path = hostile.write_network(tmp_path / "model.keras")
    started = time.monotonic()
    with pytest.raises(UnsupportedModel, match=r"took longer than 0\.5 s: use a smaller network"):
        check_in_child(requested(path, timeout_s=0.5))
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("import os; os.abort()", r"was ended by SIGABRT: the file is damaged, or .* 8\.0 GB"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("raise SystemExit(3)", r"ended with status 3: the file is damaged\."),
        ("print('no JSON')", r"ended with status 0"),
        ("print('[1]')", r"ended with status 0"),
    ],
)
def test_a_child_that_dies_is_a_sentence(
    script: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-c", script)
    monkeypatch.setattr(confinement, "module_command", lambda *_: command)
    with pytest.raises(UnsupportedModel, match=complaint) as refusal:
        check_in_child(requested(Path("model.keras")))
    assert str(refusal.value).startswith("the check of model.keras ")


def test_a_good_file_passes_and_its_weights_are_not_shuffled(tmp_path: Path) -> None:
    networks.two_layer_cnn().save(tmp_path / "model.keras")
    lines = check_in_child(requested(tmp_path / "model.keras"))
    assert "target layer: conv2" in lines
    assert not any("shuffled" in line for line in lines)
