"""Model files from Keras 2 (see `make_keras2_files.py`) give the predictions of Keras 2."""

import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy.errors import UnsupportedModel
from seewhy_worker.model_check.report import check
from seewhy_worker.models.keras2.config import convert_config
from seewhy_worker.models.loading import load_file

FOLDER = Path(__file__).parent / "keras2"
FILES = sorted(path.stem for path in FOLDER.glob("*.h5"))


@pytest.fixture(scope="module")
def predictions() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "predictions.npz") as stored:
        return dict(stored)


def with_config(path: Path, folder: Path, **changes: str) -> Path:
    """Copy a file with other attributes."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        for name, value in changes.items():
            file.attrs[name] = value
    return copy


def config_of(path: Path) -> str:
    with h5py.File(path, "r") as file:
        return str(file.attrs["model_config"])


def test_each_file_has_predictions(predictions: dict[str, np.ndarray]) -> None:
    assert sorted(set(predictions) - {"pixels"}) == FILES
    assert len(FILES) == 5


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_keras_2_gives_the_predictions_of_keras_2(
    name: str, predictions: dict[str, np.ndarray]
) -> None:
    model = load_file(FOLDER / f"{name}.h5")
    predicted = keras.ops.convert_to_numpy(model(predictions["pixels"], training=False))
    np.testing.assert_allclose(predicted, predictions[name], rtol=1e-4)
    first, second = predictions[name]
    assert not np.allclose(first, second, rtol=1e-2)


# Keras reads variables through TensorFlow's `__array__`, which NumPy warns about.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_keras_2_passes_the_check(name: str) -> None:
    lines = check(FOLDER / f"{name}.h5")
    assert any(line.startswith("target layer: ") for line in lines)


def plain_sequential_inside(loaded: keras.Model) -> keras.Model:
    """Write the network of `sequential_inside.h5` in Keras 3, flat, with the same weights."""
    pixels = networks.image_input()
    hidden = layers.Conv2D(6, 3, activation="relu", name="conv1")(pixels)
    hidden = layers.BatchNormalization(name="norm")(hidden)
    hidden = layers.Conv2D(4, 3, activation="relu", name="conv2")(hidden)
    hidden = layers.BatchNormalization(name="outer_norm")(hidden)
    hidden = layers.GlobalAveragePooling2D(name="gap")(hidden)
    plain = keras.Model(pixels, layers.Dense(5, "softmax", name="scores")(hidden))
    plain.set_weights(loaded.get_weights())
    return plain


def test_maps_equal_those_of_the_network_written_in_keras_3(tmp_path: Path) -> None:
    loaded = load_file(FOLDER / "sequential_inside.h5")
    networks.assert_same_maps(
        networks.explain_images(loaded, tmp_path, layer="body/conv2"),
        networks.explain_images(plain_sequential_inside(loaded), tmp_path, layer="conv2"),
    )


def test_a_file_without_a_version_is_read_as_keras_2(
    tmp_path: Path, predictions: dict[str, np.ndarray]
) -> None:
    path = with_config(FOLDER / "keywords.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs["keras_version"]
    predicted = keras.ops.convert_to_numpy(load_file(path)(predictions["pixels"], training=False))
    np.testing.assert_allclose(predicted, predictions["keywords"], rtol=1e-4)


def test_a_file_of_keras_3_is_not_converted(tmp_path: Path) -> None:
    path = with_config(FOLDER / "keywords.h5", tmp_path, keras_version="3.15.1")
    with pytest.raises(UnsupportedModel, match=r"Keras cannot read|which Keras does not have"):
        load_file(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"y": 2.0', '"y": 0', "saved by Keras 2: ZeroDivisionError"),
        (
            '"activation": "linear"',
            '"activation": "hard_sigmoid"',
            r"operations\.h5: 'conv1' uses the activation hard_sigmoid",
        ),
        ('"math.sigmoid"', '"math.erf"', "'tf.math.sigmoid' is the TensorFlow operation math.erf"),
        ('"math.truediv"', '"math.pow"', "is the TensorFlow operation math.pow"),
        ('"function": "image.resize"', '"function": "io.read_file"', "io.read_file"),
        ('"TFOpLambda"', '"Lambda"', r"Python code \(the Lambda"),
        (
            '"keras.initializers", "class_name": "Z',
            '"os", "class_name": "Z',
            "of the class Zeros, wh",
        ),
        ('"layers"', '"strata"', "is not a functional or Sequential model saved by Keras 2"),
    ],
)
def test_a_file_that_cannot_be_converted_is_refused_before_anything_is_built(
    old: str, new: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = FOLDER / "operations.h5"
    path = with_config(path, tmp_path, model_config=config_of(path).replace(old, new))
    monkeypatch.delattr("keras.Model.from_config")
    with pytest.raises(UnsupportedModel, match=complaint):
        load_file(path)


@pytest.mark.parametrize(("kind", "outputs"), [("Functional", [1, 2]), ("Sequential", [0, 1])])
def test_two_outputs_of_a_model_called_twice_refer_to_different_calls(
    kind: str, outputs: list[int]
) -> None:
    """Keras 3 takes one off the calls of functional models at the output, and there alone."""
    calls = [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    ends = [["body", 1, 0], ["body", 2, 0]]
    layers_ = [
        {"class_name": kind, "name": "body", "config": {}, "inbound_nodes": calls},
        {"class_name": "Add", "name": "add", "config": {}, "inbound_nodes": [ends]},
    ]
    config = {"layers": layers_, "input_layers": [["a", 0, 0]], "output_layers": ends}
    made = convert_config({"class_name": "Functional", "config": config})["config"]
    assert [number for _, number, _ in made["output_layers"]] == outputs
    assert made["layers"][1]["inbound_nodes"] == [[["body", 0, 0], ["body", 1, 0]]]


def test_a_keras_archive_of_keras_2_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "old.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {}}))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
    with pytest.raises(UnsupportedModel, match=r"written by Keras 2, .* save it as an `.h5` file"):
        load_file(path)
