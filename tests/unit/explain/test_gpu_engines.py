"""The engines of GPUs give the maps of TensorFlow, or are left out. They also run on processors."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import networks
from seewhy.errors import UnsupportedModel
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain import engine_choice
from seewhy_worker.explain.engine_choice import LEAST_CORRELATION, fastest_engine
from seewhy_worker.explain.engine_measurement import Measured, over_batches
from seewhy_worker.explain.engines import Engine
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.ports.failures import EngineFailed

BLACK = np.zeros((networks.SIDE_PX, networks.SIDE_PX, 3), np.float32)


def explainer_of(
    model: keras.Model, folder: Path, *, engine: EngineChoice = "auto"
) -> KerasExplainer:
    return KerasExplainer(
        spec=networks.make_spec(folder, engine=engine), model=split(model), max_batch=2
    )


def explain(engine: EngineChoice, folder: Path) -> list[ImageExplanation]:
    explainer = explainer_of(nested_with_normalization(), folder, engine=engine)
    explainer.choose_engine("tensorflow")
    image = explainer.prepare(networks.random_images(1)[0])
    options = (MethodOptions(), MethodOptions(layers=("conv1",)), MethodOptions(method="scorecam"))
    return explainer.explain([ExplanationTask.create(image, (0, -1), one) for one in options])


def nested_with_normalization() -> keras.Model:
    """Build a network with layers inside another, and a layer that computes in float32."""
    image = networks.image_input()
    hidden = keras.layers.BatchNormalization()(networks.backbone()(image))
    return keras.Model(image, networks.add_classifier(hidden))


def test_xla_has_the_maps_of_tensorflow(tmp_path: Path) -> None:
    networks.assert_same_maps(explain("tensorflow-xla", tmp_path), explain("tensorflow", tmp_path))


@pytest.mark.parametrize("engine", ["tensorflow-float16", "tensorflow-xla-float16"])
def test_float16_changes_maps_by_rounding_only(engine: EngineChoice, tmp_path: Path) -> None:
    found, expected = explain(engine, tmp_path), explain("tensorflow", tmp_path)

    for one, other in zip(found, expected, strict=True):
        assert one.maps.dtype == np.float32
        assert not np.array_equal(one.maps, other.maps)
        for ours, theirs in zip(one.maps, other.maps, strict=True):
            correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
            assert correlation > LEAST_CORRELATION[engine]


def test_a_network_keeps_its_number_format_after_a_body_in_float16() -> None:
    model = nested_with_normalization()

    body = TensorFlowEngine(float16=True).body(split(model), batch=1)

    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    assert [spec.dtype for spec in body.cut] == [tf.float32]


def test_a_network_of_another_number_format_has_no_body_in_float16() -> None:
    model = networks.two_layer_cnn()
    for layer in model.layers:
        layer.dtype_policy = "mixed_bfloat16"

    with pytest.raises(EngineFailed, match="none of its layers computes in float32"):
        TensorFlowEngine(float16=True).body(split(model), batch=1)


def test_a_gpu_measures_xla_and_float16_one_by_one_and_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_choice, "device_name", lambda: "a GPU")
    monkeypatch.setattr(engine_choice, "MARGIN", np.inf)  # the last that is close enough
    monkeypatch.setattr("seewhy_worker.explain.engine_measurement.MEASURING_S", 0)
    caplog.set_level("INFO")
    explainer = explainer_of(networks.two_layer_cnn(), tmp_path)

    explainer.choose_engine("auto")

    version = tf.__version__
    assert explainer.engine == f"tensorflow {version} xla float16"
    assert explainer.graphs.head.cache_info().misses == 2  # for one image, and for two
    for engine in ("xla", "float16", "xla float16"):
        assert f"small on tensorflow {version} {engine}: " in caplog.text


def test_times_of_several_batches_count_the_same_and_the_worst_map_counts() -> None:
    found = [
        [
            Measured("tensorflow-xla", 0.9, 1.0, same_classes=True),
            Measured("tensorflow-float16", 0.8, 0.999, same_classes=True),
        ],
        [Measured("tensorflow-float16", 0.2, 0.9995, same_classes=False)],
    ]

    (combined,) = over_batches(found)

    assert combined.choice == "tensorflow-float16"
    assert combined.time_ratio == pytest.approx(0.4)
    assert combined.correlation == 0.999
    assert not combined.same_classes


def test_a_network_that_overflows_in_float16_is_computed_in_float32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_choice, "MARGIN", np.inf)
    caplog.set_level("INFO")

    engine = fastest_of({"tensorflow-float16": TensorFlowEngine(float16=True)}, overflowing())

    assert engine.is_default
    assert "small is not computed by tensorflow-float16: its numbers are not finite" in caplog.text


def test_a_network_that_xla_cannot_compile_is_computed_without_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_choice, "MARGIN", np.inf)
    caplog.set_level("INFO")

    engine = fastest_of({"tensorflow-xla": TensorFlowEngine(xla=True)}, uncompilable())

    assert engine.is_default
    assert f"small is not computed by tensorflow {tf.__version__} xla: Tensor" in caplog.text
    assert "PyFunc" in caplog.text


def test_a_network_that_xla_cannot_compile_is_refused_where_the_catalog_names_xla(
    tmp_path: Path,
) -> None:
    explainer = explainer_of(uncompilable(), tmp_path, engine="tensorflow-xla")

    with pytest.raises(
        UnsupportedModel, match=r"small cannot run on the engine 'tensorflow-xla': .*PyFunc"
    ):
        explainer.choose_engine("auto")


def fastest_of(others: Mapping[EngineChoice, Engine], model: keras.Model) -> Engine:
    graphs = GraphCache(model=split(model), black=BLACK)
    images = np.random.default_rng(0).normal(size=(4, *BLACK.shape)).astype(np.float32)
    return fastest_engine(others, graphs, name="small", images=images)


def overflowing() -> keras.Model:
    """Build a network whose first activations do not fit into float16; the others do."""
    model = networks.two_layer_cnn()
    for name, factor in (("conv1", 1e6), ("conv2", 1e-6)):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * factor, bias])
    return model


class OnTheHost(keras.layers.Layer):
    """An operation that XLA lacks."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        result = tf.numpy_function(lambda pixels: pixels, [inputs], tf.float32)
        return tf.ensure_shape(result, inputs.shape)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, inputs.dtype)


def uncompilable() -> keras.Model:
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 2)(OnTheHost()(image))
    return keras.Model(image, networks.add_classifier(hidden))
