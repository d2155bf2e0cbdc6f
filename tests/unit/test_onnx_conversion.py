"""ONNX files become model files that can be explained, or are refused with a reason."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from onnx_networks import SHAPE, save_network
from seewhy.errors import UnsupportedModel
from seewhy_worker.conversion.build import build_model
from seewhy_worker.conversion.convert import convert_file
from seewhy_worker.conversion.graph.nodes import read_graph
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import split

# Keras reads variables through TensorFlow's `__array__`, which NumPy warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MEMORY_BYTES = 8_000_000_000
CLASSIFIER = (
    "a = Conv<pads=[1,1,1,1]>(x, w)  b = Relu(a)  c = MaxPool<kernel_shape=[2,2], strides=[2,2]>(b)"
    "  d = Flatten(c)  e = Gemm(d, m)  y = Softmax(e)"
)


def classifier(folder: Path, *, shape: str = SHAPE) -> Path:
    """Write a classifier of seven classes."""
    random = np.random.default_rng(3)
    arrays = {
        "w": random.standard_normal((4, 3, 3, 3), np.float32),
        "m": random.standard_normal((80, 7), np.float32),
    }
    return save_network(folder / "network.onnx", CLASSIFIER, arrays, shape=shape)


def refusal(path: Path) -> str:
    """Return why a file is refused."""
    with pytest.raises(UnsupportedModel) as caught:
        build_model(read_graph(path))
    return str(caught.value)


def test_a_converted_file_loads_safely_and_is_split_where_the_original_is_rectified(
    tmp_path: Path,
) -> None:
    out = tmp_path / "network.keras"
    convert_file(classifier(tmp_path), out, memory_bytes=MEMORY_BYTES)
    model = split(load_file(out))
    assert model.layer == "Relu_1"
    assert model.map_shape == (8, 10)
    assert model.classes == 7
    assert model.removed_activation == "softmax"
    assert model.receptive_field is not None
    assert model.receptive_field.field_px == 3


def test_the_report_ends_with_an_entry_for_the_catalog(tmp_path: Path) -> None:
    out = tmp_path / "Network.keras"
    lines = convert_file(classifier(tmp_path), out, memory_bytes=MEMORY_BYTES)
    assert lines[0] == f"{out}: 7 classes"
    entry = tomllib.loads("\n".join(lines[lines.index("") :]))["network"]
    assert entry["input"] == {"height_px": 8, "width_px": 10}
    assert entry["layer"] == "Relu_1"
    assert len(entry["sha256"]) == 64


def entry_of(path: Path, out: Path) -> dict[str, Any]:
    """Convert a file and return the only entry of the catalog that the report proposes."""
    lines = convert_file(path, out, memory_bytes=MEMORY_BYTES)
    (entry,) = tomllib.loads("\n".join(lines[lines.index("") :])).values()
    assert isinstance(entry, dict)
    return entry


def test_the_entry_of_a_network_of_one_channel_names_what_it_sees(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    arrays = {
        "w": random.standard_normal((4, 1, 3, 3), np.float32),
        "m": random.standard_normal((80, 7), np.float32),
    }
    path = save_network(tmp_path / "gray.onnx", CLASSIFIER, arrays, shape="N,1,8,10")
    entry = entry_of(path, tmp_path / "gray.keras")
    assert entry["channels"] == "luma"
    assert entry["preprocessing"] == {"kind": "scale", "mean": 0.0, "std": 255.0}
    assert split(load_file(tmp_path / "gray.keras")).input_shape == (8, 10, 1)


def test_the_entry_is_valid_whatever_the_file_is_called(tmp_path: Path) -> None:
    out = tmp_path / 'My "best" net.v2.keras'
    entry = entry_of(classifier(tmp_path), out)
    assert entry["source"] == out.name


def test_the_entry_names_one_of_several_outputs(tmp_path: Path) -> None:
    path = classifier(tmp_path)
    model = onnx.load(path)
    model.graph.output.insert(0, helper.make_tensor_value_info("e", onnx.TensorProto.FLOAT, None))
    onnx.save(model, path)
    entry = entry_of(path, tmp_path / "out.keras")
    assert entry["output"] in load_file(tmp_path / "out.keras").output_names


def test_a_file_that_leaves_its_size_open_needs_one(tmp_path: Path) -> None:
    path = classifier(tmp_path, shape="N,3,H,W")
    assert "Give the size with `--size`" in refusal(path)
    assert build_model(read_graph(path), size=(8, 10)).input_shape == (None, 8, 10, 3)


def test_no_file_is_replaced_unless_asked(tmp_path: Path) -> None:
    out = tmp_path / "network.keras"
    out.write_bytes(b"kept")
    with pytest.raises(UnsupportedModel, match="exists: choose another name, or add --overwrite"):
        convert_file(classifier(tmp_path), out, memory_bytes=MEMORY_BYTES)
    assert out.read_bytes() == b"kept"


def test_nothing_is_left_of_a_network_that_cannot_be_explained(tmp_path: Path) -> None:
    path = save_network(tmp_path / "network.onnx", "y = Relu(x)", {})
    with pytest.raises(UnsupportedModel, match="only classifiers"):
        convert_file(path, tmp_path / "out.keras", memory_bytes=MEMORY_BYTES)
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("a = Det(x)  y = NonZero(a)", "cannot be converted: 'Det', 'NonZero'."),
        ("y = Reshape(x, all)", "the node 'Reshape_0' (Reshape) joins the batch axis"),
        ("y = Transpose<perm=[1,0,2,3]>(x)", "moves the batch axis"),
        ("y = Flatten<axis=2>(x)", "joins the batch axis"),
        ("a = Shape(x)  b = Relu(x)  y = Where(c, b, b)", "depends on the image"),
        ("y = Conv(x, x)", "computes its kernel from the image"),
    ],
)
def test_what_cannot_be_converted_is_named(tmp_path: Path, nodes: str, reason: str) -> None:
    arrays = {"all": np.array([-1], np.int64), "c": np.array([True])}
    assert reason in refusal(save_network(tmp_path / "network.onnx", nodes, arrays))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    assert refusal(path) == "network.onnx is not a readable ONNX file"


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path)
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, size_threshold=0)
    assert "keeps its weights in other files" in refusal(path)


def test_operators_of_other_domains_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x"], ["y"], domain="com.example")
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)]
    path = tmp_path / "network.onnx"
    onnx.save(helper.make_model(helper.make_graph([node], "network", inputs, outputs)), path)
    assert "'Conv' of the domain 'com.example'" in refusal(path)


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path)
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    assert "has 2 inputs ('x', 'age'): one is supported" in refusal(path)
