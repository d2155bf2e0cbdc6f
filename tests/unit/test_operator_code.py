"""Models that need Python code of the operator: layers, subclassed models, preprocessing."""

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import hostile_models as hostile
import networks
from seewhy.catalog.catalog import Catalog
from seewhy.errors import UnsupportedModel
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import load_explainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.operator_code import call_preprocessing
from seewhy_worker.models.splitting.split_model import split

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LEAF_LAYERS = """
import keras
import numpy as np

@keras.saving.register_keras_serializable("leaf")
class Gate(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return keras.ops.sigmoid(inputs * self.scale) * inputs

@keras.saving.register_keras_serializable("leaf")
def shifted_relu(values):
    return keras.ops.relu(values - 0.1)

@keras.saving.register_keras_serializable("leaf")
class LeafNet(keras.Model):
    def __init__(self, filters=4, **options):
        super().__init__(**options)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, activation=shifted_relu, name="conv")
        self.gate = Gate(name="gate")
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")
        self.scores = keras.layers.Dense(5, name="scores")

    def call(self, inputs, training=None):
        return self.scores(self.pool(self.gate(self.conv(inputs))))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}

@keras.saving.register_keras_serializable("leaf")
class Branching(LeafNet):
    def call(self, inputs):
        hidden = super().call(inputs)
        return hidden if keras.ops.max(hidden) > 0 else -hidden

def halve(image):
    return image / 255 - 0.5

def forget_to_convert(image):
    return image

def flatten(image):
    return image.reshape(-1).astype(np.float32)

def fail(image):
    raise KeyError("secret")
"""


@pytest.fixture(scope="module")
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put the modules of an operator on the path of this process and of its children."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "leaf_layers.py").write_text(LEAF_LAYERS)
    (folder / "other_layers.py").write_text(LEAF_LAYERS.replace('"leaf"', '"other"'))
    (folder / "broken_layers.py").write_text("import keras\nkeras.no_such_name\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        yield folder


@pytest.fixture
def leaf_layers(code_folder: Path) -> ModuleType:
    return importlib.import_module("leaf_layers")


def gated(code: ModuleType) -> keras.Model:
    """Build a functional model of a registered layer and a registered function."""
    image = networks.image_input()
    hidden = layers.Conv2D(4, 3, activation=code.shifted_relu, name="conv")(image)
    return keras.Model(image, networks.add_classifier(code.Gate(name="gate")(hidden)))


def subclassed(model: keras.Model) -> keras.Model:
    model(np.zeros((2, networks.SIDE_PX, networks.SIDE_PX, 3), np.float32))
    return model


def saved(model: keras.Model, folder: Path, suffix: str = "keras") -> Path:
    path = folder / f"model.{suffix}"
    model.save(path)
    return path


def predictions(model: keras.Model) -> Any:
    pixels = np.random.default_rng(0).standard_normal(
        (2, networks.SIDE_PX, networks.SIDE_PX, 3), np.float32
    )
    return keras.ops.convert_to_numpy(model(pixels, training=False))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_registered_layer_of_a_named_module_is_loaded(
    leaf_layers: ModuleType, suffix: str, tmp_path: Path
) -> None:
    model = gated(leaf_layers)
    loaded = load_file(saved(model, tmp_path, suffix), modules=["leaf_layers"])
    np.testing.assert_array_equal(predictions(loaded), predictions(model))
    assert split(loaded).layer == "gate"


def test_a_subclassed_model_is_explained_as_the_functional_model_of_its_calls(
    leaf_layers: ModuleType, tmp_path: Path
) -> None:
    model = subclassed(leaf_layers.LeafNet(name="leaf_net"))
    loaded = load_file(saved(model, tmp_path), modules=["leaf_layers"])
    np.testing.assert_allclose(predictions(loaded), predictions(model), rtol=1e-6)
    assert [one.path for one in split(loaded).candidates] == ["conv", "gate"]
    image = networks.image_input()
    functional = keras.Model(image, model.call(image))
    expected = networks.explain_images(functional, tmp_path)
    networks.assert_same_maps(networks.explain_images(loaded, tmp_path), expected)


def test_a_call_that_depends_on_values_is_refused_with_the_remedy(
    leaf_layers: ModuleType, tmp_path: Path
) -> None:
    path = saved(subclassed(leaf_layers.Branching()), tmp_path)
    with pytest.raises(UnsupportedModel, match=r"Branching.*without branches on the values"):
        load_file(path, modules=["leaf_layers"])


def test_a_layer_as_the_whole_model_is_refused(leaf_layers: ModuleType, tmp_path: Path) -> None:
    def only_the_layer(definition: dict[str, Any]) -> dict[str, Any]:
        gate: dict[str, Any] = hostile.layers_of(definition)[2]
        return gate

    path = hostile.change_definition(saved(gated(leaf_layers), tmp_path), only_the_layer)
    with pytest.raises(UnsupportedModel, match="defines one Gate, which is a layer and no model"):
        load_file(path, modules=["leaf_layers"])


@pytest.mark.parametrize("modules", [[], ["other_layers"]])
def test_only_the_modules_of_the_models_own_entry_count(
    leaf_layers: ModuleType, modules: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match="name the module that defines it and registers"):
        load_file(saved(gated(leaf_layers), tmp_path), modules=modules)


def test_a_name_of_another_models_function_finds_nothing(
    leaf_layers: ModuleType, tmp_path: Path
) -> None:
    path = saved(networks.two_layer_cnn(), tmp_path)
    change = hostile.set_in_layer(1, activation="leaf>shifted_relu")
    with pytest.raises(UnsupportedModel, match=r"Keras cannot read model\.keras"):
        load_file(hostile.change_definition(path, change))
    assert keras.saving.get_registered_object("leaf>shifted_relu") is leaf_layers.shifted_relu


@pytest.mark.parametrize(
    "planted",
    [
        {"module": "broken_layers", "class_name": "Gate", "config": {}},
        {"module": "keras_cv", "class_name": "Gate", "config": {}},
        {
            "module": "keras_cv",
            "class_name": "function",
            "config": "load",
            "registered_name": "leaf>Gate",
        },
    ],
)
def test_a_file_cannot_cause_an_import(
    leaf_layers: ModuleType,
    planted: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = saved(gated(leaf_layers), tmp_path)
    change = hostile.set_in_layer(1, kernel_initializer=planted)
    hostile.change_definition(path, change)
    imported: list[str] = []
    monkeypatch.setattr(
        "keras.src.saving.serialization_lib.importlib.import_module", imported.append
    )
    with pytest.raises(UnsupportedModel, match="which Keras does not have and no module"):
        load_file(path, modules=["leaf_layers"])
    assert imported == ["leaf_layers"]  # by the loader: `importlib` is one module


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no_such_layers", "the module no_such_layers is not installed where the worker runs"),
        ("leaf_layers.inner", "the module leaf_layers.inner is not installed"),
        (
            "broken_layers",
            r"import of the module broken_layers failed: AttributeError in .*broken_layers.py, "
            r"line 2: .*no_such_name",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(
    code_folder: Path, name: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=complaint):
        load_file(hostile.write_network(tmp_path / "model.keras"), modules=[name])


def test_a_preprocessing_function_makes_the_input_of_the_network(code_folder: Path) -> None:
    image = np.full((2, 3, 3), 51, np.uint8)
    pixels = call_preprocessing("leaf_layers:halve", image)
    np.testing.assert_array_equal(pixels, np.full((2, 3, 3), np.float32(-0.3)))
    assert pixels.dtype == np.float32


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("forget_to_convert", r"returned uint8 of the shape \(2, 3, 3\).*floating-point"),
        ("flatten", r"returned float32 of the shape \(18,\) for an image of the shape \(2, 3, 3\)"),
        ("fail", r"leaf_layers:fail raised KeyError on an image of the shape \(2, 3, 3\)"),
        ("missing", "the module leaf_layers has no function missing"),
    ],
)
def test_a_preprocessing_function_that_does_not_work_is_refused(
    code_folder: Path, function: str, complaint: str
) -> None:
    with pytest.raises(UnsupportedModel, match=complaint) as refusal:
        call_preprocessing(f"leaf_layers:{function}", np.zeros((2, 3, 3), np.uint8))
    assert "secret" not in str(refusal.value)


def test_a_catalog_entry_loads_layers_and_preprocessing_of_its_modules(
    leaf_layers: ModuleType, tmp_path: Path
) -> None:
    path = saved(gated(leaf_layers), tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    catalog = tmp_path / "models.toml"
    catalog.write_text(
        f'[leaves]\nsource = "model.keras"\nsha256 = "{digest}"\nmodules = ["leaf_layers"]\n'
        f"input = {{ height_px = {networks.SIDE_PX}, width_px = {networks.SIDE_PX} }}\n"
        'preprocessing = { kind = "module", function = "leaf_layers:halve" }\n'
        'labels_file = "labels.txt"\n'
    )
    spec = Catalog.load(load({}, models_file=catalog)).get("leaves")
    explainer = load_explainer(spec, weights_path=path, max_batch=1)
    photo = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    prepared = explainer.prepare(photo)
    assert -0.5 <= prepared.pixels.min() < prepared.pixels.max() <= 0.5
    (found,) = explainer.explain([ExplanationTask.create(prepared, [1])])
    assert (found.layer, found.maps.shape) == ("gate", (1, 10, 10))
    changed = spec.model_copy(update={"code_version": "2"})
    assert changed.fingerprint != spec.fingerprint


def test_the_check_of_a_file_imports_the_modules_in_its_process(
    leaf_layers: ModuleType, tmp_path: Path
) -> None:
    path = saved(subclassed(leaf_layers.LeafNet()), tmp_path)
    command = [sys.executable, "-m", "seewhy.cli", "models", "check", str(path)]
    shown = subprocess.run(
        [*command, "--module", "leaf_layers"], capture_output=True, text=True, check=True
    )
    assert "candidate: gate (10, 10, 4)" in shown.stdout.splitlines()
