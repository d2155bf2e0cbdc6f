"""The engine of a model is the fastest whose maps are those of TensorFlow, or the one it names."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

import networks
from seewhy.errors import UnsupportedModel
from seewhy.imaging.codecs import encode_png
from seewhy.schemas.engines import EngineChoice
from seewhy_worker.explain.calibration_images import calibration_images
from seewhy_worker.explain.engine_choice import best_engine
from seewhy_worker.explain.engine_measurement import Measured, measure
from seewhy_worker.explain.engines import EngineBody
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.keras_backend.bodies import CutSpec
from seewhy_worker.keras_backend.devices import engine_name
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.openvino_backend.openvino_engine import OpenVinoEngine
from seewhy_worker.ports.cuts import CutTensors

BLACK = np.zeros((networks.SIDE_PX, networks.SIDE_PX, 3), np.float32)


def compared(choice: EngineChoice, time_ratio: float, correlation: float = 1.0) -> Measured:
    return Measured(choice, time_ratio, correlation, same_classes=True)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ([], "tensorflow"),
        ([compared("openvino", 0.94)], "openvino"),
        ([compared("openvino", 0.96)], "tensorflow"),
        ([compared("openvino", 0.5, 0.9998)], "tensorflow"),
        ([compared("openvino", 0.8), compared("openvino-bfloat16", 0.77)], "openvino"),
        (
            [compared("openvino", 0.8), compared("openvino-bfloat16", 0.7, 0.99)],
            "openvino-bfloat16",
        ),
        ([compared("openvino", 0.8), compared("openvino-bfloat16", 0.7, 0.98)], "openvino"),
        ([Measured("openvino", 0.5, 1.0, same_classes=False)], "tensorflow"),
        ([compared("tensorflow-float16", 0.5, 0.998)], "tensorflow"),
        (
            [compared("tensorflow-xla", 0.9), compared("tensorflow-xla-float16", 0.5, 0.999)],
            "tensorflow-xla-float16",
        ),
    ],
)
def test_the_fastest_engine_with_close_maps_is_chosen(
    measured: list[Measured], expected: EngineChoice
) -> None:
    assert best_engine(measured) == expected


class ChangedBody:
    """The body of TensorFlow, with the channels of its activation in another order."""

    def __init__(self, body: EngineBody) -> None:
        self._body = body
        self.cuts: Mapping[str, CutSpec] = body.cuts

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, CutTensors]:
        return {
            name: (tf.reverse(tensors[0], [3]), *tensors[1:])
            for name, tensors in self._body(pixels).items()
        }


def test_a_measurement_sees_other_maps_and_other_classes() -> None:
    model = split(networks.two_layer_cnn())
    body = TensorFlowEngine().body(model, batch=1)
    pixels = np.random.default_rng(0).normal(size=(5, *model.input_shape)).astype(np.float32)

    same, changed = measure(
        {"tensorflow": body, "openvino": body, "openvino-bfloat16": ChangedBody(body)},
        GraphCache(model=model, black=BLACK),
        pixels,
    )

    assert (same.correlation, same.same_classes) == (1.0, True)
    assert changed.correlation < 0.9
    assert not changed.same_classes


def test_a_network_that_openvino_cannot_convert_is_computed_by_tensorflow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    explainer = explainer_of(unconvertible(), tmp_path)
    caplog.set_level("INFO")

    explainer.choose_engine("auto")

    assert explainer.engine.startswith("tensorflow ")
    assert "small is computed by tensorflow" in caplog.text
    assert "BesselI0" in caplog.text


def test_an_explanation_names_tensorflow_where_it_computes_a_body_for_another_engine(
    tmp_path: Path,
) -> None:
    explainer = explainer_of(unconvertible(), tmp_path)
    explainer.graphs.use(OpenVinoEngine())
    image = explainer.prepare(networks.random_images(1)[0])

    (explanation,) = explainer.explain([ExplanationTask.create(image, (-1,))])

    assert explainer.engine.startswith("openvino ")
    assert explanation.engines == (engine_name(),)


def test_a_network_that_openvino_cannot_convert_is_refused_where_the_catalog_names_it(
    tmp_path: Path,
) -> None:
    explainer = explainer_of(unconvertible(), tmp_path, engine="openvino")

    with pytest.raises(UnsupportedModel, match=r"small cannot run on the engine 'openvino': .*Bes"):
        explainer.choose_engine("auto")


def test_the_catalog_goes_before_the_setting_of_the_worker(tmp_path: Path) -> None:
    explainer = explainer_of(networks.two_layer_cnn(), tmp_path, engine="tensorflow")

    explainer.choose_engine("openvino")

    assert explainer.engine.startswith("tensorflow ")


def test_a_folder_of_the_catalog_has_the_first_calibration_images(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("not an image")
    own = np.full((8, 8, 3), 77, np.uint8)
    (tmp_path / "own" / "a.png").write_bytes(encode_png(own))
    spec = networks.make_spec(tmp_path, calibration="own")

    first, second, *samples = calibration_images(spec)

    assert first.tolist() == second.tolist() == own.tolist()
    assert len(samples) == 9
    assert samples[0].shape == (300, 451, 3)


def test_a_folder_of_calibration_images_that_is_missing_is_named(tmp_path: Path) -> None:
    spec = networks.make_spec(tmp_path, calibration="own")
    with pytest.raises(
        UnsupportedModel, match=r"small cannot read its calibration images in .*own"
    ):
        list(calibration_images(spec))


def explainer_of(
    model: keras.Model, folder: Path, *, engine: EngineChoice = "auto"
) -> KerasExplainer:
    return KerasExplainer(
        spec=networks.make_spec(folder, engine=engine), model=split(model), max_batch=2
    )


class Bessel(keras.layers.Layer):
    """An operation that OpenVINO lacks."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.math.bessel_i0(inputs)


def unconvertible() -> keras.Model:
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 2)(Bessel()(image))
    return keras.Model(image, networks.add_classifier(hidden))
