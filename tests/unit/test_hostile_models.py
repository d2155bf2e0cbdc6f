"""Each hostile definition or array in a model file is refused, and none runs code."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest

import hostile_models as hostile
import networks
from refusals import assert_refused
from seewhy_worker.models.inspection import allowed_classes
from seewhy_worker.models.loading import load_file

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
KERAS2_FILE = Path(__file__).parents[1] / "golden" / "keras2" / "keywords.h5"
REFUSED_LAYERS = {
    "FlaxLayer",
    "InputSpec",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "Layer",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
    "Wrapper",
}

Definition = dict[str, Any]


def not_a_network(definition: Definition) -> list[Definition]:
    return [definition]


def no_class_name(definition: Definition) -> Definition:
    return {key: value for key, value in definition.items() if key != "class_name"}


def a_layer_alone(definition: Definition) -> Definition:
    return hostile.layers_of(definition)[1]


def list_of_a_config(definition: Definition) -> None:
    hostile.layers_of(definition)[1]["config"] = [1, 2]


def layers_as_text(definition: Definition) -> None:
    definition["config"]["layers"] = "conv1"


def class_name_as_list(definition: Definition) -> None:
    hostile.layers_of(definition)[1]["class_name"] = ["Conv2D"]


DEFINITIONS: dict[str, tuple[hostile.Change, str]] = {
    "a lambda": (hostile.replace_class(1, "Lambda", function="x"), r"Python code \(the Lambda"),
    "a graph": (hostile.replace_class(1, "TFSMLayer", filepath="/x"), r"Python code \(the TFSMLay"),
    "torch": (hostile.replace_class(1, "TorchModuleWrapper", module="x"), "Python code"),
    "jax": (hostile.replace_class(1, "JaxLayer", call_fn="x"), "Python code"),
    "a vocabulary of a device": (
        hostile.replace_class(1, "IntegerLookup", vocabulary="/dev/zero"),
        "'conv1' of the class IntegerLookup, which can read other files: remove it",
    ),
    "text": (
        hostile.replace_class(1, "TextVectorization", vocabulary="/etc/passwd"),
        "'conv1' of the class TextVectorization, which can read other files: remove it",
    ),
    "an unknown class": (hostile.replace_class(1, "Conv2d"), "the class Conv2d, which Keras does"),
    "a list for a file": (not_a_network, "its definition has no layers"),
    "a definition without a class": (no_class_name, "is not a functional or Sequential model"),
    "a layer instead of a model": (a_layer_alone, "is not a functional or Sequential model"),
    "a list for a config": (list_of_a_config, r"a Conv2D whose config is '\[1, 2\]', not a set"),
    "text for layers": (layers_as_text, "a model whose layers are 'conv1', not a list of layers"),
    "a list for a class": (class_name_as_list, "class name is .* not a text"),
    "a number as text": (hostile.set_in_layer(1, filters="many"), "Keras cannot read"),
    "a negative size": (hostile.set_in_layer(1, filters=-1), "Keras cannot read"),
    "a number that is none": (hostile.set_in_layer(1, filters=float("nan")), "contains NaN"),
    "a huge number": (hostile.set_in_layer(1, filters=10**30), r"a number above 2\^64"),
    "no classes": (hostile.set_in_layer(-1, units=0), "Keras cannot read"),
    "a dense bomb": (
        hostile.set_in_layer(-1, units=10**9),
        r"needs about [\d,.]+ GB of memory .* more than the limit of 8.0 GB: use a smaller network",
    ),
    "a convolution bomb": (
        hostile.set_in_layer(1, filters=10**8),
        r"needs about [\d,.]+ GB of memory|Keras cannot read .* received input with shape",
    ),
    "a kernel bomb": (hostile.set_in_layer(1, kernel_size=[10, 10**7]), "Keras cannot read"),
    "lists in lists": (hostile.nest(110), "nested more than 100 levels deep"),
    "lists too deep to parse": (hostile.nest(900), "nested more than 100 levels deep"),
    "many layers": (hostile.repeat_layers(11_000), "more than 10,000 layer calls"),
    "a long text": (hostile.set_in_layer(1, activation="x" * 100_000), "a text of 100,000 char"),
    "a path for a name": (hostile.set_in_layer(1, name="../../etc/cron.d/x"), "a layer named '../"),
    "a path of Windows": (hostile.set_in_layer(1, name="..\\..\\x"), "a layer named"),
    "a number for a name": (hostile.set_in_layer(1, name=7), "a layer named '7'"),
    "a long name": (hostile.set_in_layer(1, name="x" * 300), "a layer named 'xxx"),
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_hostile_definition_is_refused(name: str, suffix: str, tmp_path: Path) -> None:
    change, complaint = DEFINITIONS[name]
    path = hostile.write_network(tmp_path / f"model.{suffix}")
    hostile.change_definition(path, change)
    assert_refused(path, complaint)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("layer", "side_px"),
    [
        (keras.layers.ZeroPadding2D(10**5), 12),
        (keras.layers.UpSampling2D(10**4), 12),
        (keras.layers.Identity(), 10**5),
    ],
)
def test_huge_activations_are_refused(
    layer: keras.layers.Layer, side_px: int, suffix: str, tmp_path: Path
) -> None:
    path = hostile.write_pooled_network(tmp_path / f"model.{suffix}", layer, side_px=side_px)
    assert path.stat().st_size < 100_000
    assert_refused(path, r"needs about [\d,.]+ GB of memory \(8 weights, [\d,]+ activations\)")


@pytest.mark.parametrize(
    "name", ["a lambda", "a graph", "a vocabulary of a device", "text", "an unknown class"]
)
def test_a_hostile_class_in_a_file_of_keras_2_is_refused(name: str, tmp_path: Path) -> None:
    change, complaint = DEFINITIONS[name]
    path = tmp_path / "model.h5"
    shutil.copyfile(KERAS2_FILE, path)
    hostile.change_definition(path, change)
    assert_refused(path, complaint.replace("'conv1'", "'.*'"))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_vocabulary_in_a_fifo_is_never_opened(suffix: str, tmp_path: Path) -> None:
    fifo = hostile.make_fifo(tmp_path / "fifo")
    path = hostile.write_network(tmp_path / f"model.{suffix}")
    hostile.change_definition(path, hostile.replace_class(1, "StringLookup", vocabulary=str(fifo)))
    assert_refused(path, "'conv1' of the class StringLookup, which can read other files: remove it")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_fifo_instead_of_a_file_is_refused(suffix: str, tmp_path: Path) -> None:
    assert_refused(hostile.make_fifo(tmp_path / f"model.{suffix}"), "is not a regular file")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(fraction: float, suffix: str, tmp_path: Path) -> None:
    path = hostile.truncate(hostile.write_network(tmp_path / f"model.{suffix}"), fraction)
    assert_refused(path, "is not a model saved by Keras|Keras cannot read")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_models_in_models_do_not_multiply_without_limit(suffix: str, tmp_path: Path) -> None:
    path = hostile.nest_models(tmp_path / f"model.{suffix}", depth=6)
    assert path.stat().st_size < 200_000
    assert_refused(path, "more than 10,000 layer calls")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    path = hostile.set_weight(hostile.write_network(tmp_path / "model.h5"), value)
    assert_refused(path, "weights that are not finite, in 'conv1/kernel': the training diverged")


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (hostile.add_external_array, "keeps the array '/model_weights/scores/outside' in another"),
        (hostile.add_virtual_array, "keeps the array '/model_weights/scores/virtual' in another"),
        (
            lambda path: hostile.add_link(path, h5py.ExternalLink("/etc/passwd", "/x")),
            "contains the link '/model_weights/link' to another place",
        ),
        (
            lambda path: hostile.add_link(path, h5py.SoftLink("/model_weights")),
            "contains the link '/model_weights/link' to another place",
        ),
        (
            lambda path: hostile.add_array(path, "zeros", (10**10,), chunks=(10**6,)),
            "declares arrays of 40.0 GB, more than the limit of 8.0 GB",
        ),
        (
            lambda path: hostile.add_array(
                path, "zeros", (10**9,), chunks=(10**6,), compression="gzip"
            ),
            r"declares arrays of 4.0 GB in 0.\d MB of HDF5",
        ),
        (
            lambda path: hostile.add_array(path, "text", (2,), dtype=h5py.string_dtype()),
            "contains the array '/model_weights/text' of object, and weights are numbers",
        ),
        (
            lambda path: hostile.add_array(
                path, "records", (2,), dtype=[("x", h5py.vlen_dtype("float32"))]
            ),
            "contains the array '/model_weights/records' of .*'O'.*, and weights are numbers",
        ),
        (
            lambda path: hostile.add_array(path, "lzf", (100,), compression="lzf"),
            "needs a plugin of HDF5 to read '/model_weights/lzf'",
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_hostile_arrays_are_refused(
    plant: Callable[[Path], Path], complaint: str, suffix: str, tmp_path: Path
) -> None:
    path = hostile.write_network(tmp_path / f"model.{suffix}")
    if suffix == "h5":
        assert_refused(plant(path), complaint)
        return
    # An `.h5` file of the whole model serves as the weights of the archive: the arrays count.
    members = hostile.read_members(path)
    weights = plant(hostile.write_network(tmp_path / "weights.h5"))
    members["model.weights.h5"] = weights.read_bytes()
    assert_refused(hostile.write_members(path, list(members.items())), complaint)


def test_a_group_that_contains_itself_ends(tmp_path: Path) -> None:
    path = hostile.write_network(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        file["model_weights/loop"] = file["model_weights"]
    assert load_file(path).count_params() == networks.two_layer_cnn().count_params()


def test_every_layer_of_keras_is_either_allowed_or_refused_on_purpose() -> None:
    classes = {value.__name__ for value in vars(keras.layers).values() if isinstance(value, type)}
    assert classes - allowed_classes.LAYERS == REFUSED_LAYERS
    assert classes >= allowed_classes.LAYERS


def test_every_other_class_that_a_file_may_name_exists_in_keras() -> None:
    modules = (keras.initializers, keras.regularizers, keras.constraints, keras.dtype_policies)
    classes = {name for module in modules for name in dir(module)}
    assert classes >= allowed_classes.PARTS


def test_the_inspection_does_not_import_a_tensor_library() -> None:
    script = (
        "import sys\n"
        "import seewhy_worker.model_check.child\n"
        "import seewhy_worker.models.inspection.model_file\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "set()\n"
