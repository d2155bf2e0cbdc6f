"""Methods with one pass: the head forward and backward for all targets."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from seewhy_worker.cam.layer.fusion import fuse
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.gradient_overrides import override_gradients
from seewhy_worker.keras_backend.head_context import HeadContext, MethodOutput
from seewhy_worker.keras_backend.target_tensors import flatten, resolve_ranks
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.targets import TargetTensors


def explain_layers(context: HeadContext, cut: CutTensors, targets: TargetTensors) -> MethodOutput:
    """Explain the cut at the first target layer.

    The maps of several target layers are fused.
    """
    batch, count, _ = targets.rivals.shape
    model, method = context.model, context.method
    # Repeat each image's tensors once per target: one pass through the head, forward and
    # backward, then serves all targets of all images and reads the head's weights once.
    copies = 1 if method.needs == "activation" else count
    repeated = tuple(tf.repeat(tensor, copies, axis=0) for tensor in cut)
    with override_gradients():
        *activations, repeated_logits = model.head_with_activations(repeated)
    repeated_logits = tf.cast(repeated_logits, tf.float32)
    logits = repeated_logits[::copies]
    targets = resolve_ranks(targets, logits)
    if method.needs == "activation":
        maps = _fuse([method.formula(tf.cast(a, tf.float32), xp=keras.ops) for a in activations])
        peaks = tf.ones((batch * count,))
        return MethodOutput(tf.repeat(maps, count, axis=0), peaks, targets, logits)
    if method.choose_rivals is not None:
        classes = flatten(targets).classes
        rivals = tf.cast(method.choose_rivals(repeated_logits, classes, xp=keras.ops), tf.int32)
        targets = replace(targets, rivals=tf.reshape(rivals, (batch, count, rivals.shape[1])))
    # Rows are independent, so the gradient of their sum holds the gradient of each row.
    total = tf.reduce_sum(context.target_scores(repeated_logits, flatten(targets)))
    layer_arrays = _derivatives(total, activations, method)
    maps = _fuse([method.formula(*arrays, xp=keras.ops) for arrays in layer_arrays])
    peaks = [tf.reduce_max(tf.abs(gradient), axis=(1, 2, 3)) for _, gradient, *_ in layer_arrays]
    return MethodOutput(maps, tf.reduce_max(tf.stack(peaks), axis=0), targets, logits)


def resize_maps(maps: Any, size: tuple[int, int]) -> Any:
    """Interpolate maps (M, h, w) bilinearly to (M, *size), as rendering does."""
    return tf.image.resize(maps[..., tf.newaxis], size)[..., 0]


def _derivatives(total: Any, activations: Sequence[Any], method: Method) -> list[list[Any]]:
    """Return the method's float32 inputs per layer: activation, gradient and curvature."""
    gradients = tf.gradients(total, activations, unconnected_gradients="zero")
    arrays = [activations, gradients]
    if method.needs == "curvature":
        curvatures = []
        for activation, gradient in zip(activations, gradients, strict=True):
            along_activation = tf.reduce_sum(gradient * tf.stop_gradient(activation))
            curvatures += tf.gradients(along_activation, activation, unconnected_gradients="zero")
        arrays.append(curvatures)
    exact = [[tf.cast(array, tf.float32) for array in kind] for kind in arrays]
    return [list(layer_arrays) for layer_arrays in zip(*exact, strict=True)]


def _fuse(maps: Sequence[Any]) -> Any:
    if len(maps) == 1:
        return maps[0]
    size = max((map_.shape[1:] for map_ in maps), key=math.prod)
    return fuse(maps, lambda map_: resize_maps(map_, size), xp=keras.ops)
