"""The example for bringing your own VGG16, on real weights, compared with ONNX Runtime."""

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from golden.reference_images import PHOTOS, brain_tumour_images
from original_recipe import assert_drawn_as_the_recipe
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import Verdict
from seewhy.settings import Settings, load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.splitting.split_model import split

EXAMPLE = Path(__file__).parents[2] / "examples" / "fine_tuned_vgg16.py"
LOGITS = "functional_1/dense_3_1/BiasAdd:0"
IMAGES = brain_tumour_images()


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fine_tuned_vgg16", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(example: ModuleType) -> keras.Model:
    return example.build()


@pytest.fixture(scope="module")
def settings(
    example: ModuleType, model: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    with warnings.catch_warnings():
        # Keras 3.15 reads its own variables in a way that NumPy 2 deprecates.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        catalog = example.save(model, tmp_path_factory.mktemp("own"))
    yield load({"SEEWHY_MODELS_FILE": str(catalog)})
    catalog.with_name("brain-tumour.keras").unlink()  # 65 MB


@pytest.fixture(scope="module")
def explainer(settings: Settings) -> KerasExplainer:
    spec = Catalog.load(settings).get("brain-tumour")
    path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=path, max_batch=4)


@pytest.fixture(scope="module")
def onnx_outputs(example: ModuleType) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits and the probabilities (3, 4) of the original file."""
    original = onnx.load(example.ONNX_FILE)
    original.graph.output.append(
        onnx.helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, ["N", 4])
    )
    session = onnxruntime.InferenceSession(
        original.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (name,) = (tensor.name for tensor in session.get_inputs())
    pixels = IMAGES.astype(np.float32) / 255
    logits, probabilities = session.run([LOGITS, session.get_outputs()[0].name], {name: pixels})
    return logits, probabilities


def test_the_converted_network_gives_the_logits_of_the_original(
    model: keras.Model, onnx_outputs: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    split_model = split(model, "block5_conv3")
    found = np.asarray(split_model.head(split_model.body(IMAGES.astype(np.float32) / 255)))
    np.testing.assert_allclose(found, onnx_outputs[0], rtol=0, atol=1e-4)
    assert np.ptp(onnx_outputs[0]) > 10


def test_the_catalog_that_the_example_writes_explains_an_image(
    explainer: KerasExplainer, onnx_outputs: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    prepared = [explainer.prepare(image) for image in IMAGES]
    explained = explainer.explain([ExplanationTask.create(image, [-1]) for image in prepared])
    assert (explainer.layer, explainer.map_shape) == ("block5_conv3", (15, 15))
    labels = ("glioma", "meningioma", "notumor", "pituitary")
    for one, probabilities in zip(explained, onnx_outputs[1], strict=True):
        best = int(probabilities.argmax())
        (target,) = one.targets
        assert (target.score.index, target.score.label) == (best, labels[best])
        assert target.score.probability == pytest.approx(float(probabilities[best]), abs=1e-5)
        assert target.verdict == Verdict.OK
        assert one.covers == Rectangle(x=0, y=0, width=240, height=240)


@pytest.mark.parametrize("name", sorted(path.stem for path in PHOTOS.glob("*.jpg")))
def test_the_preset_classic_draws_a_photo_as_the_original_recipe(
    explainer: KerasExplainer, model: keras.Model, name: str
) -> None:
    with Image.open(PHOTOS / f"{name}.jpg") as opened:
        photo = np.asarray(opened.convert("RGB"))
    assert_drawn_as_the_recipe(explainer, model, photo)
