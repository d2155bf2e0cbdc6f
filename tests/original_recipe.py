"""The original Grad-CAM recipe, run by hand step by step, and the comparison with it."""

import cv2
import keras
import numpy as np
import tensorflow as tf

from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask

CLASSIC = MethodOptions(method="classic", score="probability")


def recipe_map(model: keras.Model, layer: str, pixels: np.ndarray) -> np.ndarray:
    """Return the map (h, w) of the most probable class, from a model that ends in probabilities."""
    watched = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        convolved, predictions = watched(pixels[None])
        loss = predictions[:, int(np.argmax(predictions[0]))]
    gradients = tape.gradient(loss, convolved)
    pooled = tf.reduce_mean(gradients, axis=(0, 1, 2))
    return tf.reduce_mean(pooled * convolved, axis=-1)[0].numpy()


def recipe_overlay(
    image: np.ndarray, heatmap: np.ndarray, rectangle: Rectangle | None = None
) -> np.ndarray:
    """Draw a map (h, w) over an RGB image (H, W, 3), with OpenCV's channel order on the way.

    The original always stretches the whole image to the network's input. Where the network saw
    only `rectangle`, the steps 0 to 255 are pasted there and the rest has step 0.
    """
    image = image[..., ::-1].astype(np.float32)
    image = cv2.normalize(image, np.empty(0), 0, 255, cv2.NORM_MINMAX, cv2.CV_8UC3)
    heatmap = cv2.normalize(heatmap, np.empty(0), 0, 255, cv2.NORM_MINMAX, cv2.CV_8UC3)
    if rectangle is None:
        size_px = (image.shape[1], image.shape[0])
        heatmap = cv2.resize(heatmap, size_px, interpolation=cv2.INTER_CUBIC)
    else:
        x, y = int(rectangle.x), int(rectangle.y)
        width_px, height_px = int(rectangle.width), int(rectangle.height)
        inside = cv2.resize(heatmap, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        heatmap = np.zeros(image.shape[:2], np.uint8)
        heatmap[y : y + height_px, x : x + width_px] = inside
    colored = cv2.applyColorMap(heatmap, cv2.COLORMAP_JET)
    return cv2.addWeighted(image, 0.5, colored, 0.25, 0)[..., ::-1]


def assert_drawn_as_the_recipe(
    explainer: KerasExplainer, model: keras.Model, image: np.ndarray
) -> None:
    """Assert that `preset: classic` draws `image` (H, W, 3) as the recipe does, pixel for pixel."""
    prepared = explainer.prepare(image)
    (found,) = explainer.explain([ExplanationTask.create(prepared, [-1], CLASSIC)])
    expected = recipe_map(model, explainer.layer, prepared.pixels)
    span = float(expected.max() - expected.min())
    np.testing.assert_allclose(found.maps[0], expected, rtol=0, atol=1e-5 * span)
    drawn = classic_overlay(image, found.maps[0], rectangle=found.covers)
    np.testing.assert_array_equal(drawn, recipe_overlay(image, found.maps[0]))
    # Another machine's rounding may move a cell that sits on a step's edge by that one step.
    difference = np.abs(drawn.astype(int) - recipe_overlay(image, expected))
    assert difference.max() <= 2
