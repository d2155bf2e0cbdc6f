"""Methods of the gradient with respect to the picture: back through the whole network."""

from typing import Any

import keras
import tensorflow as tf

from seewhy.errors import UnsupportedModel
from seewhy_worker.cam.gradcam import gradcam
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.gradient_overrides import has_relus, overriding
from seewhy_worker.keras_backend.layer_methods import enlarge, explain_layers
from seewhy_worker.keras_backend.step_types import MethodOutput, StepContext, even
from seewhy_worker.keras_backend.target_tensors import TargetTensors


def explain_pixels(asked: StepContext, pixels: Any, aims: TargetTensors) -> MethodOutput:
    """Explain one picture, (1, H, W, 3), at its own size."""
    plain = StepContext(asked.parts, _GRADCAM, asked.score, asked.black, asked.rows)
    cam = explain_layers(plain, pixels, aims)
    gradient = _mean_gradient(asked, pixels[0], cam.aims)
    if asked.method.needs == "guided":
        other = enlarge(cam.maps, pixels.shape[1:3])
    else:
        other = tf.repeat(pixels - asked.black, gradient.shape[0], axis=0)
    maps = asked.method.maps(gradient, other, xp=keras.ops)
    return MethodOutput(maps, tf.reduce_max(tf.abs(gradient), axis=(1, 2, 3)), cam.aims, cam.logits)


_GRADCAM = Method("gradcam", gradcam)


def _mean_gradient(asked: StepContext, picture: Any, aims: TargetTensors) -> Any:
    """Weigh and sum each target's gradients at the method's points: (H, W, 3) → (K, H, W, 3)."""
    points = asked.method.points
    places = points.of(picture, asked.black, xp=keras.ops)
    count = len(points.weights)
    size = even(count, asked.rows)
    chunks = -(-count // size)
    # The last chunk is filled up with points that count nothing.
    weights = tf.pad(tf.constant(points.weights), [[0, chunks * size - count]])
    turns = tf.reshape(tf.range(chunks * size) % count, (chunks, size))
    shares = tf.reshape(weights, (chunks, size, 1, 1, 1))

    def of_target(target: Any) -> Any:
        def added(total: Any, chunk: Any) -> Any:
            chosen, share = chunk
            repeated = aims.rows().at(tf.repeat(target, size))
            gradient = _gradient(asked, tf.gather(places, chosen), repeated)
            return total + tf.reduce_sum(tf.where(share > 0, share * gradient, 0), axis=0)

        return tf.foldl(
            added, (turns, shares), initializer=tf.zeros(picture.shape), parallel_iterations=1
        )

    targets = tf.range(aims.classes.shape[1])
    return tf.map_fn(of_target, targets, fn_output_signature=tf.float32, parallel_iterations=1)


def _gradient(asked: StepContext, pictures: Any, aims: TargetTensors) -> Any:
    """Take the gradient with respect to each picture: (M, H, W, 3) → the same."""
    with overriding(guided=asked.method.guided):
        logits = asked.parts.head(asked.parts.body(pictures))
        total = tf.reduce_sum(asked.values(logits, aims))
        if asked.method.guided and not has_relus():
            raise UnsupportedModel(
                f"{asked.method.name} has nothing to guide: this network has no ReLU. Ask for "
                "smoothgrad or gradcam."
            )
        (gradient,) = tf.gradients(total, pictures, unconnected_gradients="zero")
    return tf.cast(gradient, tf.float32)
