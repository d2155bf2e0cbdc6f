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
from seewhy.annotations.coco.mask_rle import encode_rle
from seewhy.annotations.coco.selection import cells_within
from seewhy.errors import InvalidRequest, UnsupportedModel
from seewhy.schemas.geometry import Box, Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import Verdict
from seewhy.schemas.within import CocoMask, Within
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
    logits_model: keras.Model,
    layer: str,
    pixels: NDArray[np.float32],
    class_index: int,
    selection: NDArray[np.bool_] | bool = True,
) -> tuple[Any, float]:
    """Compute Grad-CAM of Σ_{M ∩ R} z_c with a tape over the whole network that outputs logits."""
    target = logits_model.get_layer(layer).output
    both = keras.Model(logits_model.input, [target, logits_model.output])
    with tf.GradientTape() as tape:
        activation, logits = both(pixels[None])
        if logits.shape[-1] == 1:
            logits = tf.concat([-logits, logits], axis=-1)
        counts = (logits.numpy().argmax(axis=-1) == class_index) & selection
        score = tf.reduce_sum(tf.boolean_mask(logits[..., class_index], counts))
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


def selection_of(mask: NDArray[np.bool_]) -> Within:
    return Within(mask=CocoMask(**encode_rle(mask)))


def halves() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the left half of the network's output, and a diagonal half."""
    rows, columns = np.indices((12, 12))
    return columns < 6, rows < columns


@pytest.mark.parametrize("layer", [None, "decoder"])
def test_maps_within_a_selection_equal_those_of_a_tape(layer: str | None, tmp_path: Path) -> None:
    explainer = explainer_of(unet(), tmp_path, layer=layer)
    logits_model, (left, diagonal) = unet(None), halves()
    photo = np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8)
    box = Within(box=Box(x=-3.0, y=-3.0, width=9.0, height=20.0))
    selections: list[tuple[Any, Within | None]] = [
        (left, box),
        (diagonal, selection_of(diagonal)),
        (True, None),
    ]
    tasks = [
        ExplanationTask.create(explainer.prepare(photo, within=within), range(CLASSES))
        for _, within in selections
    ]
    shown = 0
    for (selection, _), found in zip(selections, explainer.explain(tasks), strict=True):
        for index, (map_, target) in enumerate(zip(found.maps, found.targets, strict=True)):
            expected, score = gradcam(
                logits_model, layer or "bottleneck", tasks[0].image.pixels, index, selection
            )
            shown += np.abs(expected).max() > 0
            assert np.abs(map_ - expected).max() <= 1e-5 * np.abs(expected).max()
            assert target.score.logit == pytest.approx(score, rel=1e-5, abs=1e-6)
    assert shown >= 6


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "integrated-gradients"])
def test_the_whole_image_as_a_selection_changes_nothing(method: str, tmp_path: Path) -> None:
    explainer = explainer_of(unet(), tmp_path)
    photo = np.random.default_rng(7).integers(0, 256, (24, 18, 3), np.uint8)
    whole = Within(box=Box(x=0.0, y=0.0, width=18.0, height=24.0))
    parts = Within(box=Box(x=0.0, y=0.0, width=18.0, height=8.0))
    options = MethodOptions(method=method)
    plain, within, part = explainer.explain(
        [
            ExplanationTask.create(explainer.prepare(photo, within=selection), [-1], options)
            for selection in (None, whole, parts)
        ]
    )
    assert np.array_equal(within.maps, plain.maps)
    assert within.targets == plain.targets
    assert within.top == plain.top
    assert not np.allclose(part.maps, plain.maps)


def test_a_selection_is_that_of_the_part_of_the_image_that_the_model_sees() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[:, 30:] = True
    covers = Rectangle(x=10, y=0, width=40, height=40)
    inside = cells_within(selection_of(mask), covers, (2, 4))
    assert inside.tolist() == [[False, False, True, True]] * 2
    inside = cells_within(Within(box=Box(x=15.0, y=10.0, width=1.0, height=9.0)), covers, (2, 4))
    assert inside.tolist() == [[True, False, False, False], [False] * 4]
    with pytest.raises(InvalidRequest, match=r"scores 4 by 2 cells of the 40 by 40 pixels"):
        cells_within(Within(box=Box(x=0.0, y=0.0, width=9.0, height=40.0)), covers, (2, 4))


def test_openvino_scores_within_the_selection_too(tmp_path: Path) -> None:
    explainer, (_, diagonal) = explainer_of(unet(), tmp_path), halves()
    photo = np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8)
    image = explainer.prepare(photo, within=selection_of(diagonal))
    task = ExplanationTask.create(image, range(2), MethodOptions(method="scorecam"))
    (expected,) = explainer.explain([task])
    explainer.choose_engine("openvino")
    explainer.graphs.head.cache_clear()
    (found,) = explainer.explain([task])
    assert np.abs(found.maps - expected.maps).max() <= 1e-4 * np.abs(expected.maps).max()
    assert np.abs(expected.maps).max() > 0
