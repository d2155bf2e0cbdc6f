"""`seewhy models convert FILE`, as an operator runs it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnx_networks import save_network
from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.model_file import read_definition

NODES = "a = Conv(x, w)  b = Relu(a)  c = GlobalAveragePool(b)  d = Flatten(c)  y = MatMul(d, m)"


def convert(path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command; it writes `out.keras` beside the file."""
    out = f"--out={path.with_name('out.keras')}"
    return subprocess.run(
        [sys.executable, "-m", "seewhy.cli", "models", "convert", str(path), out, *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_is_converted_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    arrays = {"w": np.ones((4, 3, 2, 2), np.float32), "m": np.eye(4, 5, dtype=np.float32)}
    path = save_network(tmp_path / "net.onnx", NODES, arrays, shape="N,3,H,W")
    shown = convert(path, "--size", "16", "12")
    assert shown.returncode == 0
    assert "input = { height_px = 16, width_px = 12 }" in shown.stdout
    assert "target layer: Relu_1, 15 x 11, because" in shown.stdout
    assert (tmp_path / "out.keras").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce the limit")
def test_a_file_that_computes_too_large_a_constant_is_refused_in_one_sentence(
    tmp_path: Path,
) -> None:
    doublings = "  ".join(f"a{n + 1} = Concat<axis=0>(a{n}, a{n})" for n in range(20))
    nodes = f"{doublings}  b = ReduceMean(a20)  y = Add(x, b)"
    arrays = {"a0": np.ones(1000, np.float32)}
    path = save_network(tmp_path / "bomb.onnx", nodes, arrays)
    shown = convert(path, SEEWHY_MODEL_MEMORY_BYTES="1000000000")
    assert shown.returncode == 1
    assert shown.stderr.splitlines()[-1] == (
        "seewhy: the network needs more memory than SEEWHY_MODEL_MEMORY_BYTES allows"
    )


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("net.onnx", "`seewhy models convert`"), ("net.pth", "`torch.onnx.export`")],
)
def test_files_of_other_libraries_are_refused_with_what_to_do(
    tmp_path: Path, name: str, remedy: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"network")
    with pytest.raises(UnsupportedModel, match=remedy):
        read_definition(path, memory_bytes=1_000_000)
