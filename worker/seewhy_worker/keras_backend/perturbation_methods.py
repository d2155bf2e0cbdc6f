"""Methods that try each channel: the picture seen through it, or the head without it."""

from typing import Any

import keras
import tensorflow as tf

from seewhy_worker.cam.scorecam import masks
from seewhy_worker.keras_backend.step_types import MethodOutput, StepContext, in_chunks
from seewhy_worker.keras_backend.target_tensors import TargetTensors

_ACTIVATIONS_A_ROW = 4
"""An activation is smaller than a picture's way through the body: more of them go together."""


def explain_perturbed(asked: StepContext, pixels: Any, aims: TargetTensors) -> MethodOutput:
    """Explain one picture, (1, H, W, 3); its targets share all passes."""
    parts, method = asked.parts, asked.method
    whole = parts.body(pixels)
    logits = tf.cast(parts.head(whole), tf.float32)
    aims = aims.resolved(logits)
    activation = _most_varied(tf.cast(whole, tf.float32), method.channels)
    count = aims.classes.shape[1]
    if method.needs == "masked":
        scores = _through_each_channel(asked, pixels, activation, aims)
        peak = tf.ones((count,))
    else:
        own = asked.values(tf.repeat(logits, count, axis=0), aims.rows())
        scores = own[:, tf.newaxis] - _without_each_channel(asked, whole, aims)
        peak = tf.reduce_max(tf.abs(scores), axis=1)
    maps = method.maps(tf.repeat(activation, count, axis=0), scores, xp=keras.ops)
    return MethodOutput(maps, peak, aims, logits)


def _most_varied(activation: Any, channels: int | None) -> Any:
    """Keep the channels of (1, h, w, C) whose values spread most over space."""
    if channels is None or channels >= activation.shape[3]:
        return activation
    spread = tf.math.reduce_std(activation[0], axis=(0, 1))
    # What is not finite must come out as such, and top_k puts it where it likes.
    spread = tf.where(tf.math.is_finite(spread), spread, tf.float32.max)
    return tf.gather(activation, tf.math.top_k(spread, channels).indices, axis=3)


def _through_each_channel(
    asked: StepContext, pixels: Any, activation: Any, aims: TargetTensors
) -> Any:
    """Score the picture times each channel's mask: (K, C)."""
    size = pixels.shape[1:3]

    def scored(channels: Any) -> Any:
        chosen = tf.gather(activation, channels, axis=3)
        seen = tf.transpose(masks(tf.image.resize(chosen, size), xp=keras.ops), (3, 1, 2, 0))
        return _every_value(asked, asked.parts.head(asked.parts.body(pixels * seen)), aims)

    channels = activation.shape[3]
    return tf.transpose(in_chunks(scored, channels, asked.rows))


def _without_each_channel(asked: StepContext, whole: Any, aims: TargetTensors) -> Any:
    """Score the activation (1, h, w, C) with each channel set to 0: (K, C)."""
    count = whole.shape[3]

    def scored(channels: Any) -> Any:
        kept = 1 - tf.one_hot(channels, count, dtype=whole.dtype)
        ablated = tf.where(kept[:, tf.newaxis, tf.newaxis] > 0, whole, 0)
        return _every_value(asked, asked.parts.head(ablated), aims)

    return tf.transpose(in_chunks(scored, count, _ACTIVATIONS_A_ROW * asked.rows))


def _every_value(asked: StepContext, logits: Any, aims: TargetTensors) -> Any:
    """Read all K targets off each row: logits (M, classes) → (M, K)."""
    count, rows = aims.classes.shape[1], logits.shape[0]
    turns = tf.tile(tf.range(count), [rows])
    read = asked.values(tf.repeat(logits, count, axis=0), aims.rows().at(turns))
    return tf.reshape(read, (rows, count))
