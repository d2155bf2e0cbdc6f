"""Make `keras2/`: small model files from Keras 2 with images and the predictions of Keras 2.

Requires tf_keras and TensorFlow; imports nothing from seewhy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

FOLDER = Path(__file__).parent / "keras2"
SHAPE = (12, 12, 3)


def conv(filters: int, name: str) -> layers.Layer:
    """Convolve with kernels of 3 by 3 and a ReLU."""
    return layers.Conv2D(filters, 3, activation="relu", name=name)


def classified(hidden: tf.Tensor) -> tf.Tensor:
    """Put a pooled softmax of five classes on top."""
    pooled = layers.GlobalAveragePooling2D(name="gap")(hidden)
    return layers.Dense(5, "softmax", name="scores")(pooled)


def body(name: str = "body") -> tf_keras.Model:
    """Two convolutions, normalized, as a Sequential model."""
    return tf_keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            conv(6, "conv1"),
            layers.BatchNormalization(name="norm"),
            conv(4, "conv2"),
        ],
        name=name,
    )


def sequential_inside() -> tf_keras.Model:
    """A frozen Sequential model as a layer, followed by a batch normalization."""
    inner = body()
    inner.trainable = False
    image = tf_keras.Input(SHAPE)
    hidden = layers.BatchNormalization(name="outer_norm")(inner(image))
    return tf_keras.Model(image, classified(hidden))


def functional_inside_twice() -> tf_keras.Model:
    """A nested model that is called twice, and a head that is a model."""
    image = tf_keras.Input(SHAPE)
    inner = tf_keras.Model(image, body()(layers.Normalization()(image)), name="outer")
    features = tf_keras.Input((8, 8, 4))
    head = tf_keras.Model(features, classified(features), name="head")
    image = tf_keras.Input(SHAPE)
    return tf_keras.Model(image, head(inner(image) + inner(layers.ReLU()(image))))


def backbone_in_sequential() -> tf_keras.Model:
    """A functional backbone as the first layer of a Sequential model."""
    image = tf_keras.Input(SHAPE)
    inner = tf_keras.Model(image, layers.BatchNormalization()(conv(4, "conv1")(image)))
    return tf_keras.Sequential(
        [inner, layers.GlobalAveragePooling2D(), layers.Dropout(0.5), layers.Dense(5, "softmax")]
    )


def keywords() -> tf_keras.Model:
    """Layers with keywords, names and classes that Keras 3 no longer takes."""
    augmented = tf_keras.Sequential([layers.RandomFlip()], name="aug")
    image = tf_keras.Input(SHAPE)
    hidden = layers.DepthwiseConv2D(3, name="block/depthwise")(augmented(image))
    hidden = layers.SeparableConv2D(4, 3, name="block/separable")(layers.LeakyReLU(0.1)(hidden))
    hidden = layers.SpatialDropout2D(0.2)(layers.ThresholdedReLU(0.1)(hidden))
    hidden = layers.Conv2DTranspose(4, 2, activation=layers.LeakyReLU(0.2), name="up")(hidden)
    return tf_keras.Model(image, classified(hidden))


def operations() -> tf_keras.Model:
    """TensorFlow operations between the layers, and a softmax at the end."""
    image = tf_keras.Input(SHAPE)
    scaled = tf.image.resize((image + 1.0) / 2.0 - [0.1, 0.2, 0.3], (14, 14))
    first = tf.nn.relu(layers.Conv2D(6, 3, padding="same", name="conv1")(1.0 - scaled))
    gate = tf.sigmoid(tf.reduce_mean(first, [1, 2], keepdims=True))
    both = tf.concat([first * gate, -first], axis=-1)
    hidden = layers.Conv2D(6, 1, name="conv2")(both) + first
    pooled = tf.reduce_max(hidden, [1, 2])
    return tf_keras.Model(image, tf.nn.softmax(layers.Dense(5, name="scores")(pooled)))


MODELS: tuple[Callable[[], tf_keras.Model], ...] = (
    sequential_inside,
    functional_inside_twice,
    backbone_in_sequential,
    keywords,
    operations,
)


def initialize_weights(model: tf_keras.Model) -> None:
    """Give every weight a different value, so that swapped weights change the predictions."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if variable.dtype == tf.float32:
            values = generator.uniform(0.2, 1.2, variable.shape)
            signs = generator.choice([-1, 1], variable.shape) if len(variable.shape) > 1 else 1
            variable.assign(0.5 * values * signs)
    for module in model.submodules:
        if isinstance(module, layers.Normalization):
            module.finalize_state()


def main() -> None:
    """Write `keras2/` beside this file."""
    FOLDER.mkdir(exist_ok=True)
    pixels = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
    arrays: dict[str, Any] = {"pixels": pixels}
    for build in MODELS:
        tf_keras.backend.clear_session()
        model = build()
        initialize_weights(model)
        arrays[build.__name__] = model.predict(pixels, verbose=0)
        model.save(FOLDER / f"{build.__name__}.h5")
    np.savez_compressed(FOLDER / "predictions.npz", **arrays)


if __name__ == "__main__":
    main()
