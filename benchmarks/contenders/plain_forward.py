"""A compiled forward pass without explanations, as the baseline."""

import keras
import tensorflow as tf
from contender_server import Run, random_pixels, serve

MODEL = keras.applications.VGG16(weights=None)


def prepare_run(batch: int, classes: int) -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    images = tf.constant(random_pixels(batch))

    forward = tf.function(
        lambda tensor: MODEL(tensor, training=False),
        input_signature=[tf.TensorSpec(images.shape)],
    )
    return lambda: forward(images).numpy()


serve(prepare_run)
