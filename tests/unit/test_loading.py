"""Which model files are loaded, and which are refused before Keras builds anything."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy.catalog.model_spec import InputSize
from seewhy.errors import UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import load_explainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.loading import load_file, load_model

FORMATS = ("keras", "h5")
# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def saved(model: keras.Model, folder: Path, suffix: str) -> Path:
    path = folder / f"model.{suffix}"
    model.save(path)
    return path


def nested() -> keras.Model:
    image = networks.image_input()
    scaled = layers.Rescaling(1.0)(image)
    hidden = networks.backbone()(scaled)
    return keras.Model(image, networks.add_classifier(hidden, "softmax"))


def residual() -> keras.Model:
    image = networks.image_input()
    hidden = networks.backbone()(image)
    hidden = layers.Add()(
        [hidden, layers.SeparableConv2D(4, 1, depthwise_regularizer="l2")(hidden)]
    )
    return keras.Model(image, networks.add_classifier(layers.BatchNormalization()(hidden)))


def with_operations() -> keras.Model:
    image = networks.image_input()
    hidden = networks.backbone()(image[..., ::-1] / 2 - 0.25)
    hidden = keras.ops.relu(hidden + layers.Conv2D(4, 1)(hidden) * 0.5)
    return keras.Model(image, networks.add_classifier(layers.Add()([hidden, hidden])))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("build", [networks.two_layer_cnn, nested, residual, with_operations])
def test_a_saved_model_has_the_maps_of_the_original(
    build: Callable[[], keras.Model], suffix: str, tmp_path: Path
) -> None:
    model = build()
    loaded = load_file(saved(model, tmp_path, suffix))
    expected = networks.explain_images(model, tmp_path)
    networks.assert_same_maps(networks.explain_images(loaded, tmp_path), expected)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_compiled_model_is_loaded_for_inference(suffix: str, tmp_path: Path) -> None:
    model = networks.two_layer_cnn()
    model.compile(optimizer="adam", loss="mse")
    assert not load_file(saved(model, tmp_path, suffix)).compiled


def test_the_catalog_selects_the_output_and_the_size(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    hidden = layers.GlobalMaxPooling2D()(networks.conv(4, "conv", 1)(image))
    outputs = [networks.dense(4, "box", 2)(hidden), networks.dense(2, "kind", 3)(hidden)]
    path = saved(keras.Model(image, outputs), tmp_path, "h5")
    size = InputSize(height_px=16, width_px=24)
    spec = networks.make_spec(tmp_path, classes=2, input=size, output="kind")
    explainer = load_explainer(spec, weights_path=path, max_batch=1)
    assert (explainer.layer, explainer.map_shape) == ("conv", (14, 22))
    with pytest.raises(UnsupportedModel, match="2 outputs, box, kind"):
        load_explainer(spec.model_copy(update={"output": None}), weights_path=path, max_batch=1)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_the_catalog_precision_reaches_every_layer_and_keeps_the_map(
    precision: str, tmp_path: Path
) -> None:
    image = networks.image_input()
    nested = keras.Model(image, networks.add_classifier(networks.backbone()(image), "softmax"))
    path = saved(nested, tmp_path, "keras")
    plain = networks.make_spec(tmp_path)
    mixed = plain.model_copy(update={"precision": precision})
    model = load_model(mixed, weights_path=path)
    inner = model.get_layer("backbone").get_layer("conv2")
    assert (inner.compute_dtype, inner.variable_dtype) == (precision[6:], "float32")
    first, second = (load_explainer(s, weights_path=path, max_batch=1) for s in (plain, mixed))
    image = first.prepare(networks.random_images(1)[0])
    for method in ("gradcam", "scorecam", "integrated-gradients", "guided-gradcam"):
        task = ExplanationTask.create(image, (0, 1), MethodOptions(method=method))
        (exact,) = first.explain([task])
        (found,) = second.explain([task])
        assert found.maps.dtype == np.float32
        assert np.corrcoef(found.maps.ravel(), exact.maps.ravel())[0, 1] > 0.98
        assert not np.array_equal(found.maps, exact.maps)


def test_a_catalog_layer_that_does_not_exist_is_refused_at_load(tmp_path: Path) -> None:
    path = saved(networks.two_layer_cnn(), tmp_path, "keras")
    spec = networks.make_spec(tmp_path, layers=("conv1", "conv3"))
    with pytest.raises(UnsupportedModel, match="no layer 'conv3'"):
        load_explainer(spec, weights_path=path, max_batch=1)


def with_lambda(image: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Lambda(lambda tensor: tensor * 2, name="trick")(image)


def with_lambda_in_a_nested_model(image: keras.KerasTensor) -> keras.KerasTensor:
    inner = networks.image_input()
    return keras.Model(inner, with_lambda(inner), name="inner")(image)


@keras.saving.register_keras_serializable("tests")
class Own(layers.Layer):
    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs + 1


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        (with_lambda, r"Python code \(the Lambda 'trick'\).*replace it by a Keras layer"),
        (with_lambda_in_a_nested_model, r"Python code \(the Lambda 'trick'\)"),
        (
            Own(name="mine"),
            r"'mine' of the class (tests>)?Own, which Keras does not have and no module",
        ),
    ],
)
def test_code_and_custom_layers_are_refused_before_anything_is_built(
    start: Callable[[keras.KerasTensor], keras.KerasTensor],
    complaint: str,
    suffix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = networks.image_input()
    path = saved(keras.Model(image, networks.add_classifier(start(image))), tmp_path, suffix)
    monkeypatch.delattr("keras.saving.load_model")
    with pytest.raises(UnsupportedModel, match=complaint):
        load_file(path)


@pytest.mark.parametrize(
    "planted",
    [
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "file:///x"}},
        {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}},
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "builtins", "class_name": "eval", "config": {}},
        {"module": "kerasx.layers", "class_name": "Dense", "config": {}},
        {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}},
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_foreign_classes_deep_in_a_config_are_refused(
    planted: dict[str, object], suffix: str, tmp_path: Path
) -> None:
    path = saved(networks.two_layer_cnn(), tmp_path, suffix)

    def poisoned(config: dict[str, Any]) -> str:
        config["config"]["layers"][1]["config"]["kernel_initializer"] = {"wraps": [planted]}
        return json.dumps(config)

    if suffix == "h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = poisoned(json.loads(file.attrs["model_config"]))
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = poisoned(json.loads(members["config.json"])).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, body in members.items():
                archive.writestr(name, body)
    with pytest.raises(
        UnsupportedModel, match=r"never runs code from a file|which Keras does not have"
    ):
        load_file(path)


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    networks.two_layer_cnn().save_weights(path)
    with pytest.raises(UnsupportedModel, match="weights without a network: save the whole model"):
        load_file(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_is_not_a_model_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(np.arange(100, dtype=np.uint8).tobytes())
    with pytest.raises(UnsupportedModel, match="is not a model saved by Keras"):
        load_file(path)


def test_a_network_that_keras_cannot_rebuild_is_refused(tmp_path: Path) -> None:
    path = saved(networks.two_layer_cnn(), tmp_path, "h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["filters"] = -1
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(UnsupportedModel, match=r"Keras cannot read model\.h5"):
        load_file(path)
