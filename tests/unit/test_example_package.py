"""The example package, installed and explained from an image to a stored result."""

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import ValidationError

import networks
from example_package import METHOD, install_example, packages_of
from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from seewhy.catalog.catalog import Catalog
from seewhy.imaging import codecs
from seewhy.imaging.maps import decode_npy
from seewhy.schemas.job import JobState, MethodOptions
from seewhy.schemas.methods import METHODS
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.request import ExplanationRequest
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ENTRY = """
[leaves]
source = "leaves.keras"
sha256 = "{digest}"
modules = ["leaf_health.layers"]
input = {{ height_px = 12, width_px = 12 }}
preprocessing = {{ kind = "module", function = "leaf_health.preprocessing:standardize" }}
labels_file = "labels.txt"
methods = ["gradcam", "elementwise-gradcam"]
"""


@pytest.fixture(scope="module", autouse=True)
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("site")
    install_example(folder)
    with packages_of(folder):
        yield


def train(folder: Path) -> keras.Model:
    """Save a network with the gate of the example; its weights are random."""
    gate = importlib.import_module("leaf_health.layers").ChannelGate(name="gate")
    image = networks.image_input()
    hidden = gate(networks.conv(4, "conv", 1)(image))
    pooled = layers.GlobalAveragePooling2D(name="pool")(hidden)
    scores = layers.Dense(2, name="scores", kernel_initializer=networks.seeded_initializer(4))
    model = keras.Model(image, scores(pooled))
    model.save(folder / "leaves.keras")
    return model


def load_leaves(folder: Path) -> KerasExplainer:
    """Load the network as the catalog describes it."""
    path = folder / "leaves.keras"
    (folder / "labels.txt").write_text("healthy\nrust\n")
    catalog = folder / "models.toml"
    catalog.write_text(ENTRY.format(digest=hashlib.sha256(path.read_bytes()).hexdigest()))
    spec = Catalog.load(load({}, models_file=catalog)).get("leaves")
    return load_explainer(spec, weights_path=path, max_batch=1)


def expected_map(model: keras.Model, pixels: Any, class_index: int) -> Any:
    """Compute Σ_c ReLU(g · A) at the gate with a tape over the whole network."""
    import tensorflow as tf  # noqa: PLC0415  (Keras loads it first)

    both = keras.Model(model.input, [model.get_layer("gate").output, model.output])
    with tf.GradientTape() as tape:
        activation, scores = both(pixels[None])
        score = scores[0, class_index]
    return np.maximum(tape.gradient(score, activation) * activation, 0).sum(axis=-1)[0]


def test_a_layer_a_preprocessing_function_and_a_method_of_a_package_explain_an_image(
    tmp_path: Path, photos: Path
) -> None:
    model = train(tmp_path)
    explainer = load_leaves(tmp_path)
    worker = InMemoryWorker(explainer=cast("Any", explainer))
    worker.store.put(IMAGE_KEY, (photos / "cat.jpg").read_bytes(), content_type="image/jpeg")
    (job_id,) = job_ids(1)
    worker.submit(job_id, method=METHOD, targets=(0, 1))
    assert worker.run() == 1
    assert worker.outcome(job_id) == (JobState.SUCCEEDED, None)
    result = worker.result(job_id)
    assert (result.method, result.layer, result.linear) == (METHOD, "gate", False)
    assert result.versions == {"seewhy": "test", "leaf-health": "0.1.0"}
    found = decode_npy(worker.store.get(result.objects["map"]))
    image = codecs.decode((photos / "cat.jpg").read_bytes(), max_pixels=1_000_000)
    pixels = explainer.prepare(image).pixels
    assert (abs(pixels.mean()) < 1e-5, abs(pixels.std() - 1) < 1e-5) == (True, True)
    expected = np.stack([expected_map(model, pixels, index) for index in (0, 1)])
    assert expected.max() > 0
    assert np.abs(found - expected).max() < 1e-3 * expected.max()  # stored in 16 bits


def test_requests_and_catalogs_may_name_the_method() -> None:
    assert Catalog.load(load({})).get("vgg16").methods == (*METHODS, METHOD)
    schema = ExplanationRequest.model_json_schema()["properties"]["method"]
    assert schema["enum"] == [*METHODS, METHOD]
    with pytest.raises(ValidationError, match="repeats a method"):
        ExplanationRequest(methods=(METHOD, METHOD))
    assert forward_passes(MethodOptions(method=METHOD, layers=("a",)), targets=2) == 12


def test_maps_of_several_layers_are_fused(tmp_path: Path) -> None:
    train(tmp_path)
    explainer = load_leaves(tmp_path)
    prepared = explainer.prepare(np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8))
    options = MethodOptions(method=METHOD, layers=("conv", "gate"))
    (found,) = explainer.explain([ExplanationTask.create(prepared, [0, 1], options)])
    assert (found.layer, found.maps.shape) == ("conv + gate", (2, 10, 10))
    assert found.maps.min() >= 0
