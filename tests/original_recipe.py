"""The original Grad-CAM recipe, run by hand step by step, and what it is compared with."""

import cv2
import keras
import numpy as np
import tensorflow as tf

from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer

CLASSIC = MethodOptions(method="classic", score="probability")


def recipe_map(model: keras.Model, layer: str, pixels: np.ndarray) -> np.ndarray:
    """The map (h, w) of the most probable class, by a model that ends in probabilities."""
    watched = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        convolved, predictions = watched(pixels[None])
        loss = predictions[:, int(np.argmax(predictions[0]))]
    gradients = tape.gradient(loss, convolved)
    pooled = tf.reduce_mean(gradients, axis=(0, 1, 2))
    return tf.reduce_mean(pooled * convolved, axis=-1)[0].numpy()


def recipe_picture(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The picture, with OpenCV's channel order on the way as in the original."""
    heat = (heat - heat.min()) / (heat.max() - heat.min())
    resized = cv2.resize(
        np.uint8(255 * heat), (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_CUBIC
    )
    coloured = cv2.applyColorMap(resized, cv2.COLORMAP_JET)
    return cv2.addWeighted(photo[..., ::-1], 0.5, coloured, 0.25, 0)[..., ::-1]


def draws_as_the_recipe(explainer: KerasExplainer, model: keras.Model, photo: np.ndarray) -> None:
    """Assert that `preset: classic` draws `photo` (H, W, 3) as the recipe does, pixel for pixel."""
    prepared = explainer.prepare(photo)
    (found,) = explainer.explain([prepared], [(-1,)], [CLASSIC])
    expected = recipe_map(model, explainer.layer, prepared.pixels)
    span = float(expected.max() - expected.min())
    np.testing.assert_allclose(found.maps[0], expected, rtol=0, atol=1e-5 * span)
    drawn = classic_overlay(photo, found.maps[0], rectangle=found.covers)
    np.testing.assert_array_equal(drawn, recipe_picture(photo, found.maps[0]))
    # Another machine's rounding may move a cell that sits on a step's edge by that one step.
    off = np.abs(drawn.astype(int) - recipe_picture(photo, expected))
    assert off.max() <= 2
