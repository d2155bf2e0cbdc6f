"""Networks that score each pixel: the score of a class sums its logits over its pixels."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import networks
from seewhy.errors import UnsupportedModel
from seewhy.schemas.result import Verdict
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.splitting.split_model import split

CLASSES = 4


def conv(filters: int, seed: int, name: str, **options: Any) -> layers.Layer:
    options = {"activation": "relu", "padding": "same", **options}
    initializer = networks.seeded_initializer(seed)
    return layers.Conv2D(filters, 3, name=name, kernel_initializer=initializer, **options)


def unet(activation: str | None = "softmax", *, classes: int = CLASSES) -> keras.Model:
    """Build a small U-Net: its skip connection bypasses the bottleneck."""
    image = networks.image_input()
    fine = conv(4, 1, "fine")(image)
    coarse = conv(6, 2, "bottleneck")(layers.MaxPooling2D(name="pool")(fine))
    joined = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    hidden = conv(6, 3, "decoder")(joined)
    return keras.Model(image, conv(classes, 4, "segments", activation=activation)(hidden))


def explainer_of(model: keras.Model, folder: Path, **options: Any) -> KerasExplainer:
    split_model = split(model, outputs="segments", **options)
    spec = networks.make_spec(folder, classes=split_model.classes, scores="segments")
    return KerasExplainer(spec=spec, model=split_model, max_batch=2)


def prepared_images(explainer: KerasExplainer) -> list[Any]:
    generator = np.random.default_rng(7)
    return [explainer.prepare(generator.integers(0, 256, (12, 12, 3), np.uint8)) for _ in range(2)]


def gradcam(
    logits_model: keras.Model, layer: str, pixels: NDArray[np.float32], class_index: int
) -> tuple[Any, float]:
    """Compute Grad-CAM of Σ_M z_c with a tape over the whole network that outputs logits."""
    target = logits_model.get_layer(layer).output
    both = keras.Model(logits_model.input, [target, logits_model.output])
    with tf.GradientTape() as tape:
        activation, logits = both(pixels[None])
        if logits.shape[-1] == 1:
            logits = tf.concat([-logits, logits], axis=-1)
        is_predicted = logits.numpy().argmax(axis=-1) == class_index
        score = tf.reduce_sum(tf.boolean_mask(logits[..., class_index], is_predicted))
    gradient = tape.gradient(score, activation)
    weights = tf.reduce_mean(gradient, axis=(1, 2))
    return tf.einsum("nc,nhwc->nhw", weights, activation)[0].numpy(), float(score)


@pytest.mark.parametrize("layer", [None, "fine", "decoder"])
def test_maps_equal_those_of_a_tape_over_the_whole_network(
    layer: str | None, tmp_path: Path
) -> None:
    explainer = explainer_of(unet(), tmp_path, layer=layer)
    logits_model = unet(None)
    for image in prepared_images(explainer):
        (found,) = explainer.explain([ExplanationTask.create(image, range(CLASSES))])
        shown = 0
        for index, (map_, target) in enumerate(zip(found.maps, found.targets, strict=True)):
            expected, score = gradcam(logits_model, layer or "bottleneck", image.pixels, index)
            largest = np.abs(expected).max()
            shown += largest > 0
            assert np.abs(map_ - expected).max() <= 1e-5 * largest
            assert target.score.logit == pytest.approx(score, rel=1e-5, abs=1e-6)
            assert target.score.probability is None
            assert (target.verdict is Verdict.ZERO_GRADIENT) == (largest == 0)
        assert shown >= 2


def test_one_sigmoid_per_pixel_is_two_classes(tmp_path: Path) -> None:
    explainer = explainer_of(unet("sigmoid", classes=1), tmp_path)
    logits_model = unet(None, classes=1)
    (image, _) = prepared_images(explainer)
    (found,) = explainer.explain([ExplanationTask.create(image, [0, 1])])
    for index, map_ in enumerate(found.maps):
        expected, _ = gradcam(logits_model, "bottleneck", image.pixels, index)
        assert np.abs(map_ - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(found.maps).max() > 0


def test_the_default_layer_is_the_bottleneck_and_classes_are_ranked_by_score(
    tmp_path: Path,
) -> None:
    explainer = explainer_of(unet(), tmp_path)
    assert explainer.layer == "bottleneck"
    (image, _) = prepared_images(explainer)
    (found,) = explainer.explain([ExplanationTask.create(image, [-1])])
    logits = [score.logit for score in found.top]
    assert logits == sorted(logits, key=lambda logit: -(logit or 0.0))
    assert found.targets[0].score == found.top[0]


def test_a_network_that_scores_pixels_needs_the_catalog_to_say_so() -> None:
    with pytest.raises(UnsupportedModel, match=r'each pixel, with `scores = "segments"`'):
        split(unet())
    with pytest.raises(UnsupportedModel, match=r"segments are scores of classes for each pixel"):
        split(networks.two_layer_cnn(), outputs="segments")
