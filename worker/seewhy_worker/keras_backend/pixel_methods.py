"""Methods that take the gradient with respect to the pixels, back through the whole network."""

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seewhy.errors import UnsupportedModel
from seewhy_worker.cam.layer.gradcam import gradcam
from seewhy_worker.cam.methods import Method
from seewhy_worker.checkpoints.checkpoint import Checkpoint
from seewhy_worker.keras_backend.chunk_loop import ChunkLoop
from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy
from seewhy_worker.keras_backend.gradient_overrides import has_relus, override_gradients
from seewhy_worker.keras_backend.head_context import (
    HeadContext,
    HeadInputs,
    MethodOutput,
    index_chunks,
)
from seewhy_worker.keras_backend.layer_methods import explain_layers, resize_maps
from seewhy_worker.keras_backend.target_tensors import gather
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.targets import TargetTensors

_GRADCAM = Method("gradcam", gradcam)


class PixelHead:
    """Explains one image, with maps of its own size. The passes repeat for each target."""

    def __init__(self, context: HeadContext, inputs: HeadInputs) -> None:
        """Compile Grad-CAM, which resolves the targets, and the gradient of a chunk of points."""
        self._context = context
        self._start = CompiledGraph(partial(_start, context), *inputs)
        points, *_ = self._start.outputs
        weights = context.method.gradient_points.weights
        indices = index_chunks(len(weights), _chunk_size(context.passes.images))
        # The last chunk is filled up with points of weight 0.
        padded = np.zeros(indices.shape, np.float32)
        padded.flat[: len(weights)] = weights
        self._gradients = ChunkLoop(
            partial(_weighted_gradient, context),
            [indices, padded],
            points,
            tf.TensorSpec((1,), tf.int32),
            tf.TensorSpec((1, inputs.rivals.shape[2]), tf.int32),
            tf.TensorSpec((1,), tf.float32),
        )

    def __call__(self, inputs: HeadInputs, checkpoint: Checkpoint) -> MethodOutput:
        """Explain one image, with checkpoints between the chunks."""
        points, factor, *found = self._start(*inputs)
        classes, rivals, logits = to_numpy(found)
        targets = TargetTensors(classes, rivals, inputs.signs)
        gradient = np.stack(
            [
                self._gradients(
                    points,
                    *(array[:, k] for array in (classes, rivals, inputs.signs)),
                    checkpoint=checkpoint,
                ).sum(axis=0)
                for k in range(classes.shape[1])
            ]
        )
        maps = self._context.method.formula(tf.constant(gradient), factor, xp=keras.ops)
        return MethodOutput(maps, np.abs(gradient).max(axis=(1, 2, 3)), targets, logits)


def _chunk_size(images: int) -> int:
    """Return how many gradients to compute together, where `images` images would fit.

    A gradient costs three passes. On a CPU, half as many at once are as fast (EfficientNet-Lite0,
    0.98 times as long; a quarter, 1.07 times), and checkpoints come sooner.
    """
    return images if tf.config.list_logical_devices("GPU") else max(1, images // 2)


def _start(context: HeadContext, cut: CutTensors, pixels: Any, *targets: Any) -> tuple[Any, ...]:
    """Return the points, the second array of the formula, resolved targets and logits."""
    cam_context = HeadContext(context.model, _GRADCAM, context.score, context.black, context.passes)
    cam = explain_layers(cam_context, cut, TargetTensors(*targets))
    points = context.method.gradient_points.images(pixels[0], context.black, xp=keras.ops)
    if context.method.needs == "guided":
        factor = resize_maps(cam.maps, pixels.shape[1:3])
    else:
        factor = pixels - context.black
    return points, factor, cam.targets.classes, cam.targets.rivals, cam.logits


def _weighted_gradient(
    context: HeadContext,
    indices: Any,
    weights: Any,
    points: Any,
    class_: Any,
    rivals: Any,
    sign: Any,
) -> Any:
    """Add up the weighted gradients of a target's score at some of the points: (H, W, 3)."""
    rows = tf.zeros_like(indices)
    targets = gather(TargetTensors(class_, rivals, sign), rows)
    gradient = _gradient(context, tf.gather(points, indices), targets)
    weights = tf.reshape(weights, (-1, 1, 1, 1))
    return tf.reduce_sum(tf.where(weights > 0, weights * gradient, 0), axis=0)


def _gradient(context: HeadContext, pixels: Any, targets: TargetTensors) -> Any:
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
