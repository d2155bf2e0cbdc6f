"""The recipe of most articles, run eagerly: one picture and one class at a time."""

import keras
import tensorflow as tf
from answering import LAYER, Run, answer, pixels

MODEL = keras.applications.VGG16(weights=None)


def heat(picture: tf.Tensor, wanted: int) -> tf.Tensor:
    watched = keras.Model(MODEL.input, [MODEL.get_layer(LAYER).output, MODEL.output])
    with tf.GradientTape() as tape:
        convolved, predictions = watched(picture)
        loss = predictions[:, wanted]
    pooled = tf.reduce_mean(tape.gradient(loss, convolved), axis=(0, 1, 2))
    return tf.reduce_mean(pooled * convolved, axis=-1)[0]


def make(batch: int, classes: int) -> Run:
    given = tf.constant(pixels(batch))

    def run() -> None:
        for picture in given:
            for wanted in range(classes):
                heat(picture[None], wanted).numpy()

    return run


answer(make)
