"""Grad-CAM as in most tutorials, run eagerly: one image and one class at a time."""

import keras
import tensorflow as tf
from contender_server import LAYER, Run, random_pixels, serve

MODEL = keras.applications.VGG16(weights=None)


def gradcam(image: tf.Tensor, target: int) -> tf.Tensor:
    """Compute Grad-CAM the way most tutorials do, one image and one class at a time."""
    model = keras.Model(MODEL.input, [MODEL.get_layer(LAYER).output, MODEL.output])
    with tf.GradientTape() as tape:
        convolved, predictions = model(image)
        loss = predictions[:, target]
    pooled = tf.reduce_mean(tape.gradient(loss, convolved), axis=(0, 1, 2))
    return tf.reduce_mean(pooled * convolved, axis=-1)[0]


def prepare_run(batch: int, classes: int) -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    images = tf.constant(random_pixels(batch))

    def run() -> None:
        for image in images:
            for target in range(classes):
                gradcam(image[None], target).numpy()

    return run


serve(prepare_run)
