"""The models that the reference libraries explained, and the maps that they computed."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from golden.reference_images import brain_tumour_images, imagenet_images
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import InputSize, ModelSpec, ScalePreprocessing
from seewhy.catalog.weights import obtain_weights
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import preprocess
from seewhy_worker.models.splitting.split_model import SplitModel, split

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "fine_tuned_vgg16.py"
TOLERANCE = 1e-3

Maps = NDArray[np.floating]

with np.load(HERE / "references.npz") as stored:
    REFERENCES: dict[str, NDArray[Any]] = dict(stored)


@dataclass(frozen=True, eq=False)
class ReferenceModel:
    """A model that the libraries explained, and its preprocessed input images."""

    explainer: KerasExplainer
    split_model: SplitModel
    pixels: NDArray[np.float32]

    def maps(self, method: str, targets: NDArray[np.integer], layers: Sequence[str] = ()) -> Maps:
        """Explain the first images, one per row of targets: (images, targets, h, w)."""
        height, width, _ = self.pixels.shape[1:]
        whole = Rectangle(x=0, y=0, width=width, height=height)
        options = MethodOptions(method=method, layers=tuple(layers))
        tasks = [
            ExplanationTask.create(PreparedImage(pixels=pixels, covers=whole), row, options)
            for pixels, row in zip(self.pixels[: len(targets)], targets.tolist(), strict=True)
        ]
        explained = self.explainer.explain(tasks)
        return np.stack([one.maps for one in explained])


def brain_tumour(folder: Path) -> ReferenceModel:
    """Load the fine-tuned VGG16; write its labels to `folder`."""
    (folder / "labels.txt").write_text("glioma\nmeningioma\nnotumor\npituitary\n")
    spec = ModelSpec(
        name="brain-tumour",
        folder=folder,
        source="brain-tumour.keras",
        sha256="0" * 64,
        input=InputSize(height_px=240, width_px=240),
        preprocessing=ScalePreprocessing(kind="scale", std=255.0),
        labels_file="labels.txt",
        layer="block5_conv3",
    )
    return _reference_model(spec, _fine_tuned_vgg16(), brain_tumour_images())


def efficientnet_lite0() -> ReferenceModel:
    """Load the model that ships with seewhy."""
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return _reference_model(spec, load_model(spec, weights_path=path), imagenet_images())


def targets_of(name: str) -> NDArray[np.integer]:
    """Return the classes (images, targets) that an entry of maps explains."""
    images, targets = REFERENCES[name].shape[:2]
    return REFERENCES[f"{name.split('/', maxsplit=1)[0]}/targets"][:images, :targets]


def normalized(maps: Maps) -> Maps:
    """Clip at 0 and scale each map to 0 … 1, as both libraries do."""
    positive = np.maximum(maps, 0)
    above = positive - positive.min(axis=(-2, -1), keepdims=True)
    return above / (above.max(axis=(-2, -1), keepdims=True) + 1e-7)


def distance(found: Maps, reference: Maps) -> Maps:
    """Return the largest difference of each normalized map, (images, targets)."""
    return np.abs(normalized(found) - normalized(reference)).max(axis=(-2, -1))


def _fine_tuned_vgg16() -> keras.Model:
    spec = importlib.util.spec_from_file_location("fine_tuned_vgg16", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example.build()


def _reference_model(
    spec: ModelSpec, model: keras.Model, images: NDArray[np.uint8]
) -> ReferenceModel:
    split_model = split(model, spec.layer)
    pixels = np.stack([preprocess(image, spec.preprocessing) for image in images])
    explainer = KerasExplainer(spec=spec, model=split_model, max_batch=4)
    return ReferenceModel(explainer, split_model, pixels)
