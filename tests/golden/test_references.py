"""Maps of other libraries on the same weights and pictures, made by `make_references.py`.

Where a library departs from the method's paper, or a sign means nothing, `DEPARTURES` has the
library's own formula: ours need not agree with the library there, but the formula must.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from golden.reference_pictures import brain_tumour_pictures, imagenet_pictures
from seewhy.catalog import Catalog, InputSize, ModelSpec, ScalePreprocessing
from seewhy.errors import UnknownMethod
from seewhy.explanations import Recipe, Rectangle
from seewhy.settings import load
from seewhy.weights import obtain
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explained import Prepared
from seewhy_worker.explainer import Explainer
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import preprocess
from seewhy_worker.models.splitting import Split, split

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "fine_tuned_vgg16.py"
TOLERANCE = 1e-3
OVER_SPACE = (-3, -2)

Maps = NDArray[np.floating]


@dataclass(frozen=True)
class Subject:
    """A model that the libraries explained, and the pictures as it takes them."""

    explainer: Explainer
    parts: Split
    pixels: NDArray[np.float32]


def with_epsilon(activation: Maps, gradient: Maps) -> Maps:
    """Grad-CAM++ with 1e-6 in the denominator, which is not small beside squared gradients."""
    squared = gradient**2
    total = activation.sum(axis=OVER_SPACE, keepdims=True)
    alpha = squared / (2 * squared + total * gradient**3 + 1e-6)
    return weighted(np.maximum(gradient, 0) * alpha, activation)


def with_alphas_that_sum_to_1(activation: Maps, gradient: Maps) -> Maps:
    """Grad-CAM++ with each channel's alphas divided by their sum, which the paper does not do."""
    total = activation.sum(axis=OVER_SPACE, keepdims=True)
    alpha = np.where(gradient == 0, 0, 1 / (2 + gradient * total))
    whole = alpha.sum(axis=OVER_SPACE, keepdims=True)
    return weighted(np.maximum(gradient, 0) * alpha / np.where(whole == 0, 1, whole), activation)


def weighted(weights: Maps, activation: Maps) -> Maps:
    return (weights.sum(axis=OVER_SPACE, keepdims=True) * activation).sum(axis=-1)


def first_component(values: Maps) -> Maps:
    """Project (…, h, w, C), each channel less its mean, on what varies most; of either sign."""
    flat = values.reshape(*values.shape[:-3], -1, values.shape[-1])
    centred = flat - flat.mean(axis=-2, keepdims=True)
    directions = np.linalg.svd(centred, full_matrices=False).Vh[..., 0, :]
    return np.einsum("ptsc,ptc->pts", centred, directions).reshape(values.shape[:-1])


def logit(scores: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.gather(scores, target, batch_dims=1)


def finer_by_probability(scores: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The score less those of the three nearest classes, weighed by their probabilities.

    The gradient flows through the weights, too.
    """
    own = logit(scores, target)[:, None]
    rivals = tf.argsort(tf.abs(scores - own), axis=1)[:, 1:4]
    share = tf.gather(tf.nn.softmax(scores), rivals, batch_dims=1)
    gain = own - tf.gather(scores, rivals, batch_dims=1)
    return tf.reduce_sum(share * gain, axis=1) / tf.reduce_sum(share, axis=1)


@dataclass(frozen=True)
class Departure:
    """How a library computes what it calls by a method's name."""

    formula: Callable[[Maps, Maps], Maps]
    """(pictures, targets, h, w, C) activation and gradient → (pictures, targets, h, w)."""
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = logit
    either_sign: bool = False
    tolerance: float = TOLERANCE


DEPARTURES = {
    ("pytorch-grad-cam", "gradcam++"): Departure(with_epsilon),
    # Its alphas have poles: float32 and float64 of the same formula differ by 0.004.
    ("tf-keras-vis", "gradcam++"): Departure(with_alphas_that_sum_to_1, tolerance=0.01),
    ("pytorch-grad-cam", "eigencam"): Departure(lambda a, g: first_component(a), either_sign=True),
    ("pytorch-grad-cam", "eigengradcam"): Departure(
        lambda a, g: first_component(g * a), either_sign=True
    ),
    ("pytorch-grad-cam", "finercam"): Departure(
        lambda a, g: weighted(g, a), score=finer_by_probability
    ),
}


with np.load(HERE / "references.npz") as stored:
    REFERENCES: dict[str, Maps] = dict(stored)
NAMES = sorted(name for name in REFERENCES if name.count("/") == 2)
DEPARTING = [name for name in NAMES if tuple(name.split("/")[1:]) in DEPARTURES]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    settings = load({})
    lite = Catalog.load(settings).get("efficientnet-lite0")
    path = obtain(lite, settings, progress=lambda done, total: None)
    labels = tmp_path_factory.mktemp("labels") / "labels.txt"
    labels.write_text("glioma\nmeningioma\nnotumor\npituitary\n")
    brain = ModelSpec(
        name="brain-tumour",
        folder=labels.parent,
        source="brain-tumour.keras",
        sha256="0" * 64,
        input=InputSize(height_px=240, width_px=240),
        preprocessing=ScalePreprocessing(kind="scale", std=255.0),
        labels_file=labels.name,
        layer="block5_conv3",
    )
    return {
        "brain-tumour": subject(brain, fine_tuned_vgg16(), brain_tumour_pictures()),
        "efficientnet-lite0": subject(
            lite, load_model(lite, weights_path=path), imagenet_pictures()
        ),
    }


def fine_tuned_vgg16() -> keras.Model:
    spec = importlib.util.spec_from_file_location("fine_tuned_vgg16", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example.build()


def subject(spec: ModelSpec, model: keras.Model, pictures: NDArray[np.uint8]) -> Subject:
    parts = split(model, spec.layer)
    pixels = np.stack([preprocess(picture, spec.preprocessing) for picture in pictures])
    return Subject(Explainer(spec=spec, parts=parts, max_batch=4), parts, pixels)


@pytest.mark.parametrize("model", ["brain-tumour", "efficientnet-lite0"])
def test_pytorch_gives_the_same_logits(subjects: dict[str, Subject], model: str) -> None:
    parts, pixels = subjects[model].parts, subjects[model].pixels
    found = np.asarray(parts.head(parts.body(pixels)))
    np.testing.assert_allclose(found, REFERENCES[f"{model}/logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DEPARTING])
def test_a_method_agrees_with_the_libraries_that_have_it(
    subjects: dict[str, Subject], name: str
) -> None:
    model, _, method = name.split("/")
    try:
        find_method(method)
    except UnknownMethod:
        pytest.skip(f"seewhy has no {method}")
    found = ours(subjects[model], method, REFERENCES[f"{model}/targets"])
    np.testing.assert_allclose(
        normalised(found), normalised(REFERENCES[name]), rtol=0, atol=TOLERANCE
    )


def ours(subject: Subject, method: str, targets: NDArray[np.integer]) -> Maps:
    """Explain the pictures, (pictures, targets, h, w)."""
    height, width, _ = subject.pixels.shape[1:]
    whole = Rectangle(x=0, y=0, width=width, height=height)
    prepared = [Prepared(pixels=picture, covers=whole) for picture in subject.pixels]
    wanted = [tuple(row) for row in targets.tolist()]
    explained = subject.explainer.explain(prepared, wanted, [Recipe(method=method)] * len(prepared))
    return np.stack([one.maps for one in explained])


def normalised(maps: Maps) -> Maps:
    """Clip at 0 and stretch each map to 0 … 1, as both libraries do."""
    positive = np.maximum(maps, 0)
    above = positive - positive.min(axis=(-2, -1), keepdims=True)
    return above / (above.max(axis=(-2, -1), keepdims=True) + 1e-7)


@pytest.mark.parametrize("name", DEPARTING)
def test_where_a_library_departs_its_own_formula_gives_its_maps(
    subjects: dict[str, Subject], name: str
) -> None:
    model, library, method = name.split("/")
    departure = DEPARTURES[library, method]
    targets = REFERENCES[f"{model}/targets"]
    found = departure.formula(*arrays(subjects[model], targets, departure.score))
    far = distance(found, REFERENCES[name])
    if departure.either_sign:
        far = np.minimum(far, distance(-found, REFERENCES[name]))
    assert far.max() <= departure.tolerance


def distance(found: Maps, reference: Maps) -> Maps:
    """Return the largest difference of each normalised map, (pictures, targets)."""
    return np.abs(normalised(found) - normalised(reference)).max(axis=(-2, -1))


def arrays(
    subject: Subject,
    targets: NDArray[np.integer],
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[Maps, Maps]:
    """Take each target's gradient: both (pictures, targets, h, w, C), float64."""
    activation = tf.convert_to_tensor(subject.parts.body(subject.pixels))
    gradients = []
    for column in targets.T:
        with tf.GradientTape() as tape:
            tape.watch(activation)
            total = tf.reduce_sum(score(subject.parts.head(activation), tf.constant(column)))
        gradients.append(tape.gradient(total, activation).numpy())
    gradient = np.stack(gradients, axis=1).astype(np.float64)
    return np.broadcast_to(activation.numpy()[:, None], gradient.shape).astype(np.float64), gradient
