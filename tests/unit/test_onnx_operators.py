"""Each operator of ONNX as ONNX Runtime computes it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onnx_networks import SHAPE, save_network
from seewhy.errors import UnsupportedModel
from seewhy_worker.conversion.build import build_model
from seewhy_worker.conversion.graph.nodes import read_graph
from seewhy_worker.conversion.verification import compare

RANDOM = np.random.default_rng(7)


def numbers(*shape: int) -> np.ndarray:
    """Return random numbers of both signs."""
    return RANDOM.standard_normal(shape, np.float32)


def scalar(value: float) -> np.ndarray:
    """Return a constant number."""
    return np.array(value, np.float32)


def integers(*values: int) -> np.ndarray:
    """Return a constant of a shape or of axes."""
    return np.array(values, np.int64)


NETWORKS: dict[str, tuple[str, dict[str, np.ndarray]]] = {
    "a convolution": (
        "y = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w, b)",
        {"w": numbers(4, 3, 3, 3), "b": numbers(4)},
    ),
    "a convolution in groups": ("y = Conv<group=3>(x, w)", {"w": numbers(6, 1, 2, 2)}),
    "a grouped convolution of a wider layer": (
        "a = Conv(x, v)  y = Conv<group=2>(a, w)",
        {"v": numbers(4, 3, 1, 1), "w": numbers(6, 2, 3, 3)},
    ),
    "an average that does not count the margin": (
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)",
        {},
    ),
    "an average that counts the margin": (
        "y = AveragePool<kernel_shape=[3,3], pads=[1,0,1,0], count_include_pad=1>(x)",
        {},
    ),
    "a global maximum": ("y = GlobalMaxPool(x)", {}),
    "a rectified image, pooled with a margin": (
        "a = Relu(x)  y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(a)",
        {},
    ),
    "bounds": ("y = Clip(x, a, b)", {"a": scalar(-0.5), "b": scalar(0.7)}),
    "six as the upper bound": ("y = Clip(x, a, b)", {"a": scalar(0), "b": scalar(6)}),
    "a leaky rectifier": ("y = LeakyRelu<alpha=0.2>(x)", {}),
    "an exponential unit": ("y = Elu<alpha=0.7>(x)", {}),
    "a slope for each channel": ("y = PRelu(x, s)", {"s": numbers(3, 1, 1)}),
    "hard activations": ("a = HardSigmoid<alpha=0.1666666716, beta=0.5>(x)  y = HardSwish(a)", {}),
    "a hard sigmoid of another slope": ("y = HardSigmoid<alpha=0.2, beta=0.4>(x)", {}),
    "a gate for each channel": (
        "a = GlobalAveragePool(x)  b = Sigmoid(a)  y = Mul(x, b)",
        {},
    ),
    "GELU from its parts": (
        "a = Div(x, r)  b = Erf(a)  c = Add(b, o)  d = Mul(x, c)  y = Mul(d, h)",
        {"r": scalar(2**0.5), "o": scalar(1), "h": scalar(0.5)},
    ),
    "a scale and a shift for each channel": (
        "a = Mul(s, x)  y = Sub(a, t)",
        {"s": numbers(3, 1, 1), "t": numbers(1, 3, 1, 1)},
    ),
    "arithmetic with a constant image": ("y = Add(x, c)", {"c": numbers(3, 8, 10)}),
    "the probabilities of each pixel": ("y = Softmax<axis=1>(x)", {}),
    "a normalization of the batch": (
        "y = BatchNormalization<epsilon=0.01>(x, s, b, m, v)",
        {"s": numbers(3), "b": numbers(3), "m": numbers(3), "v": np.abs(numbers(3))},
    ),
    "a normalization over channels": (
        "a = Transpose<perm=[0,2,3,1]>(x)  b = LayerNormalization<axis=-1>(a, s, t)  "
        "y = Transpose<perm=[0,3,1,2]>(b)",
        {"s": numbers(3), "t": numbers(3)},
    ),
    "a dense layer behind a flattened image": (
        "a = Flatten(x)  y = Gemm<transB=1, alpha=0.5, beta=2.0>(a, w, b)",
        {"w": numbers(5, 240), "b": numbers(5)},
    ),
    "a product of two tensors": ("a = Transpose<perm=[0,1,3,2]>(x)  y = MatMul(x, a)", {}),
    "shuffled channels": (
        "a = Concat<axis=1>(x, x)  b = Reshape(a, s)  c = Transpose<perm=[0,2,1,3,4]>(b)  "
        "y = Reshape(c, t)",
        {"s": integers(0, 2, 3, 8, 10), "t": integers(-1, 6, 8, 10)},
    ),
    "a shape that is computed": (
        "a = Shape(x)  b = Gather<axis=0>(a, zero)  c = Unsqueeze(b, zeros)  "
        "d = Concat<axis=0>(c, rest)  y = Reshape(x, d)",
        {"zero": np.array(0), "zeros": integers(0), "rest": integers(-1)},
    ),
    "halves of the channels": (
        "a, b = Split<axis=1>(x, n)  y = Concat<axis=2>(b, b)",
        {"n": integers(1, 2)},
    ),
    "every other row": (
        "y = Slice(x, s, e, a, t)",
        {"s": integers(1), "e": integers(9000), "a": integers(2), "t": integers(2)},
    ),
    "one channel": ("y = Gather<axis=1>(x, i)", {"i": np.array(2)}),
    "a margin": ("y = Pad(x, p)", {"p": integers(0, 0, 1, 2, 0, 0, 3, 0)}),
    "a margin of ones around channels": (
        "y = Pad(x, p, v)",
        {"p": integers(0, 1, 0, 0, 0, 0, 0, 0), "v": scalar(1)},
    ),
    "means of the image": ("y = ReduceMean<axes=[2,3], keepdims=0>(x)", {}),
    "the largest of each column": ("y = ReduceMax<axes=[2], keepdims=0>(x)", {}),
    "axes that come and go": (
        "a = GlobalAveragePool(x)  b = Squeeze(a, q)  y = Unsqueeze(b, u)",
        {"q": integers(2, 3), "u": integers(1)},
    ),
}


@pytest.fixture
def difference(tmp_path: Path) -> Callable[..., float]:
    """Convert a network and return its largest relative difference from ONNX Runtime."""

    def convert(
        text: str, arrays: dict[str, np.ndarray], *, shape: str = SHAPE, opset: int = 17
    ) -> float:
        path = save_network(tmp_path / "network.onnx", text, arrays, shape=shape, opset=opset)
        graph = read_graph(path)
        return compare(build_model(graph), path, graph)

    return convert


@pytest.mark.parametrize("name", NETWORKS)
def test_an_operator_computes_what_onnx_runtime_computes(
    name: str, difference: Callable[..., float]
) -> None:
    text, arrays = NETWORKS[name]
    assert difference(text, arrays) < 1e-5


def test_attributes_of_old_operator_sets_are_read(difference: Callable[..., float]) -> None:
    text = (
        "a = Clip<min=0.0, max=6.0>(x)  b = Pad<pads=[0,0,1,1,0,0,1,1]>(a)  "
        "c = Slice<axes=[2,3], starts=[1,0], ends=[7,9]>(b)  "
        "d = ReduceMean<axes=[2,3]>(c)  y = Squeeze<axes=[2,3]>(d)"
    )
    assert difference(text, {}, opset=9) < 1e-5


def test_a_file_that_puts_channels_last_is_converted(difference: Callable[..., float]) -> None:
    text = "a = Transpose<perm=[0,3,1,2]>(x)  b = Conv(a, w)  y = Flatten(b)"
    arrays = {"w": numbers(2, 3, 3, 3)}
    assert difference(text, arrays, shape="N,8,10,3") < 1e-5


def test_a_file_for_one_image_gives_a_model_for_many(difference: Callable[..., float]) -> None:
    arrays = {"s": integers(1, 240), "w": numbers(240, 4)}
    assert difference("a = Reshape(x, s)  y = MatMul(a, w)", arrays, shape="1,3,8,10") < 1e-5


@settings(max_examples=40, deadline=None)
@given(
    operator=st.sampled_from(["Conv", "MaxPool", "AveragePool"]),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    margins=st.tuples(*[st.integers(0, 2)] * 4),
    padding=st.sampled_from(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]),
    ceil_mode=st.booleans(),
)
def test_every_window_gives_what_onnx_runtime_gives(
    tmp_path_factory: pytest.TempPathFactory,
    operator: str,
    size: tuple[int, int],
    strides: tuple[int, int],
    margins: tuple[int, int, int, int],
    padding: str,
    ceil_mode: bool,
) -> None:
    # A pooling window that sees only margin has no value.
    assume(all(margin < length for margin, length in zip(margins, size * 2, strict=True)))
    # ONNX Runtime refuses the negative margins of windows that are smaller than their steps.
    smaller = any(length < step for length, step in zip(size, strides, strict=True))
    assume(not (padding.startswith("SAME") and smaller))
    attributes = [f"kernel_shape={list(size)}", f"strides={list(strides)}"]
    if padding == "NOTSET":
        attributes.append(f"pads={list(margins)}")
        if operator != "Conv":
            attributes.append(f"ceil_mode={int(ceil_mode)}")
    else:
        attributes.append(f'auto_pad="{padding}"')
    arrays = {"w": numbers(2, 3, *size)} if operator == "Conv" else {}
    inputs = "x, w" if arrays else "x"
    path = tmp_path_factory.mktemp("windows") / "network.onnx"
    save_network(path, f"y = {operator}<{', '.join(attributes)}>({inputs})", arrays)
    graph = read_graph(path)
    assert compare(build_model(graph), path, graph) < 1e-5


def test_a_difference_is_an_error(tmp_path: Path) -> None:
    path = save_network(tmp_path / "network.onnx", "y = Conv(x, w)", {"w": numbers(2, 3, 2, 2)})
    other = save_network(tmp_path / "other.onnx", "y = Conv(x, w)", {"w": numbers(2, 3, 2, 2)})
    graph = read_graph(path)
    with pytest.raises(UnsupportedModel, match=r"differs from network.onnx by .* was not written"):
        compare(build_model(read_graph(other)), path, graph)
