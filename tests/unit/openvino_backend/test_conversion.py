"""Functions of TensorFlow give the same numbers when OpenVINO computes them."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seewhy_worker.openvino_backend.compiled_model import CompiledModel
from seewhy_worker.openvino_backend.conversion import to_openvino
from seewhy_worker.openvino_backend.failures import ConversionFailed

RUN_WITHOUT_NETWORK = """
import sys

def refuse(event, _):
    if event.startswith("socket.") or event in {"subprocess.Popen", "os.posix_spawn", "os.fork"}:
        sys.exit(f"OpenVINO caused {event}")

sys.addaudithook(refuse)
import numpy as np
from seewhy_worker.openvino_backend.compiled_model import CompiledModel
import openvino
from openvino import opset8

openvino.tools.ovc.telemetry.send_event("ov", "test", "test")
numbers = opset8.parameter([2], np.float32)
model = openvino.Model([opset8.relu(numbers)], [numbers])
print(CompiledModel(model)(np.array([-1, 3], np.float32)))
"""


def test_inputs_and_outputs_keep_their_order_and_none_is_lost() -> None:
    scale = tf.Variable(2.0)

    def function(a: tf.Tensor, _: tf.Tensor, b: tf.Tensor) -> list[tf.Tensor]:
        difference = a - b
        return [b * scale, difference, a, tf.constant(5.0), difference]

    spec = tf.TensorSpec((None, 2), tf.float32)
    model = to_openvino(function, spec, tf.TensorSpec((3,), tf.int32), spec)
    a, b = np.array([[1, 2]], np.float32), np.array([[10, 20]], np.float32)

    found = CompiledModel(model)(a, np.zeros(3, np.int32), b)

    assert [array.tolist() for array in found] == [
        [[20, 40]],
        [[-9, -18]],
        [[1, 2]],
        5,
        [[-9, -18]],
    ]


def test_a_network_gives_the_scores_of_tensorflow_at_every_batch_size() -> None:
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(8, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(6),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5),
        ]
    )
    spec = tf.TensorSpec((None, 16, 16, 3), tf.float32)
    compiled = CompiledModel(to_openvino(lambda pixels: [network(pixels)], spec), threads=1)

    for batch in (1, 3):
        pixels = np.random.default_rng(batch).normal(size=(batch, 16, 16, 3)).astype(np.float32)
        (scores,) = compiled(pixels)
        np.testing.assert_allclose(scores, network(pixels).numpy(), rtol=1e-4, atol=1e-5)


def test_results_stay_as_they_are_when_the_model_runs_again() -> None:
    spec = tf.TensorSpec((2,), tf.float32)
    compiled = CompiledModel(to_openvino(lambda numbers: [numbers + 1], spec))

    (first,) = compiled(np.array([1, 2], np.float32))
    compiled(np.array([7, 8], np.float32))

    assert first.tolist() == [2, 3]


def test_what_openvino_cannot_convert_is_named() -> None:
    def function(tensor: tf.Tensor) -> list[tf.Tensor]:
        return [tf.numpy_function(np.sin, [tensor], tf.float32)]

    with pytest.raises(ConversionFailed, match="PyFunc") as caught:
        to_openvino(function, tf.TensorSpec((2,), tf.float32))

    assert "\n" not in str(caught.value)
    assert "src/" not in str(caught.value)


def test_openvino_opens_no_socket_and_leaves_no_file_at_home(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT_NETWORK],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.stdout.strip(), found.stderr) == ("[array([0., 3.], dtype=float32)]", "")
    assert list(tmp_path.iterdir()) == []
