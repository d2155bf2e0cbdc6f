"""Methods that test each channel: the image masked by it, or the head without it."""

from typing import Any

import keras
import tensorflow as tf

from seewhy_worker.cam.perturbation.scorecam import channel_masks
from seewhy_worker.keras_backend.step_context import MethodOutput, StepContext, map_in_chunks
from seewhy_worker.keras_backend.target_tensors import TargetTensors

_ACTIVATIONS_PER_IMAGE = 4
"""The head needs less memory than the body, so more activations than images fit in a chunk."""


def explain_perturbed(context: StepContext, pixels: Any, targets: TargetTensors) -> MethodOutput:
    """Explain one image, pixels (1, H, W, 3). All its targets share the passes."""
    model, method = context.model, context.method
    full_activation = model.body(pixels)
    logits = tf.cast(model.head(full_activation), tf.float32)
    targets = targets.resolve_ranks(logits)
    activation = _select_channels(tf.cast(full_activation, tf.float32), method.max_channels)
    count = targets.classes.shape[1]
    if method.needs == "masked":
        scores = _scores_masked(context, pixels, activation, targets)
        peaks = tf.ones((count,))
    else:
        full_scores = context.target_scores(tf.repeat(logits, count, axis=0), targets.flatten())
        scores = full_scores[:, tf.newaxis] - _scores_ablated(context, full_activation, targets)
        peaks = tf.reduce_max(tf.abs(scores), axis=1)
    maps = method.formula(tf.repeat(activation, count, axis=0), scores, xp=keras.ops)
    return MethodOutput(maps, peaks, targets, logits)


def _select_channels(activation: Any, count: int | None) -> Any:
    """Select the `count` channels of (1, h, w, C) with the largest spatial deviation."""
    if count is None or count >= activation.shape[3]:
        return activation
    deviation = tf.math.reduce_std(activation[0], axis=(0, 1))
    # Rank channels that are not finite first, so that the map shows them; top_k orders NaN freely.
    deviation = tf.where(tf.math.is_finite(deviation), deviation, tf.float32.max)
    return tf.gather(activation, tf.math.top_k(deviation, count).indices, axis=3)


def _scores_masked(
    context: StepContext, pixels: Any, activation: Any, targets: TargetTensors
) -> Any:
    """Score the image multiplied by the mask of each channel: (K, C)."""
    size = pixels.shape[1:3]

    def score(channels: Any) -> Any:
        selected = tf.gather(activation, channels, axis=3)
        # (1, H, W, n) → (n, H, W, 1)
        masks = channel_masks(tf.image.resize(selected, size), xp=keras.ops)
        mask = tf.transpose(masks, (3, 1, 2, 0))
        logits = context.model.head(context.model.body(pixels * mask))
        return _scores_of_all_targets(context, logits, targets)

    return tf.transpose(map_in_chunks(score, activation.shape[3], context.chunk_size))


def _scores_ablated(context: StepContext, activation: Any, targets: TargetTensors) -> Any:
    """Score the activation (1, h, w, C) with each channel set to 0: (K, C)."""
    channel_count = activation.shape[3]

    def score(channels: Any) -> Any:
        kept = 1 - tf.one_hot(channels, channel_count, dtype=activation.dtype)
        ablated = tf.where(kept[:, tf.newaxis, tf.newaxis] > 0, activation, 0)
        return _scores_of_all_targets(context, context.model.head(ablated), targets)

    chunk_size = _ACTIVATIONS_PER_IMAGE * context.chunk_size
    return tf.transpose(map_in_chunks(score, channel_count, chunk_size))


def _scores_of_all_targets(context: StepContext, logits: Any, targets: TargetTensors) -> Any:
    """Compute the scores of all K targets of one image: logits (M, classes) → (M, K)."""
    count, rows = targets.classes.shape[1], logits.shape[0]
    repeated = targets.flatten().gather(tf.tile(tf.range(count), [rows]))
    scores = context.target_scores(tf.repeat(logits, count, axis=0), repeated)
    return tf.reshape(scores, (rows, count))
