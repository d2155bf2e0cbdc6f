"""Methods that take the gradient with respect to the pixels, back through the whole network."""

from typing import Any

import keras
import tensorflow as tf

from seewhy.errors import UnsupportedModel
from seewhy_worker.cam.layer.gradcam import gradcam
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.gradient_overrides import has_relus, override_gradients
from seewhy_worker.keras_backend.layer_methods import explain_layers, resize_maps
from seewhy_worker.keras_backend.step_context import (
    MethodOutput,
    StepContext,
    balanced_chunk_size,
)
from seewhy_worker.keras_backend.target_tensors import TargetTensors

_GRADCAM = Method("gradcam", gradcam)


def explain_pixels(context: StepContext, pixels: Any, targets: TargetTensors) -> MethodOutput:
    """Explain one image, pixels (1, H, W, 3), with maps of its own size."""
    cam_context = StepContext(
        context.model, _GRADCAM, context.score, context.black, context.chunk_size
    )
    cam = explain_layers(cam_context, pixels, targets)
    gradient = _mean_gradient(context, pixels[0], cam.targets)
    if context.method.needs == "guided":
        factor = resize_maps(cam.maps, pixels.shape[1:3])
    else:
        factor = tf.repeat(pixels - context.black, gradient.shape[0], axis=0)
    maps = context.method.formula(gradient, factor, xp=keras.ops)
    peaks = tf.reduce_max(tf.abs(gradient), axis=(1, 2, 3))
    return MethodOutput(maps, peaks, cam.targets, cam.logits)


def _mean_gradient(context: StepContext, pixels: Any, targets: TargetTensors) -> Any:
    """Average each target's gradient over the method's points: (H, W, 3) → (K, H, W, 3)."""
    points = context.method.gradient_points
    point_pixels = points.images(pixels, context.black, xp=keras.ops)
    count = len(points.weights)
    size = balanced_chunk_size(count, context.chunk_size)
    chunks = -(-count // size)
    # The last chunk is padded with points of weight 0.
    weights = tf.pad(tf.constant(points.weights), [[0, chunks * size - count]])
    chunk_indices = tf.reshape(tf.range(chunks * size) % count, (chunks, size))
    chunk_weights = tf.reshape(weights, (chunks, size, 1, 1, 1))

    def gradient_of_target(target: Any) -> Any:
        repeated = targets.flatten().gather(tf.repeat(target, size))

        def add_chunk(total: Any, chunk: Any) -> Any:
            indices, weight = chunk
            gradient = _gradient(context, tf.gather(point_pixels, indices), repeated)
            return total + tf.reduce_sum(tf.where(weight > 0, weight * gradient, 0), axis=0)

        return tf.foldl(
            add_chunk,
            (chunk_indices, chunk_weights),
            initializer=tf.zeros(pixels.shape),
            parallel_iterations=1,
        )

    return tf.map_fn(
        gradient_of_target,
        tf.range(targets.classes.shape[1]),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )


def _gradient(context: StepContext, pixels: Any, targets: TargetTensors) -> Any:
    """Compute the gradient of each row's score with respect to its pixels (M, H, W, 3)."""
    method = context.method
    with override_gradients(guided=method.guided):
        logits = context.model.head(context.model.body(pixels))
        total = tf.reduce_sum(context.target_scores(logits, targets))
        if method.guided and not has_relus():
            raise UnsupportedModel(
                f"{method.name} needs a network with ReLU activations, and this one has none: use "
                "smoothgrad or gradcam instead."
            )
        (gradient,) = tf.gradients(total, pixels, unconnected_gradients="zero")
    return tf.cast(gradient, tf.float32)
