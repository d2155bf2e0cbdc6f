"""Methods of one pass: the body once, then the head, forward and back, for all targets at once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from seewhy_worker.cam.fusion import fuse
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.gradient_overrides import overriding
from seewhy_worker.keras_backend.step_types import MethodOutput, StepContext
from seewhy_worker.keras_backend.target_tensors import TargetTensors


def explain_layers(asked: StepContext, pixels: Any, aims: TargetTensors) -> MethodOutput:
    """Explain (N, H, W, 3) at the target layer, or at several and fuse their maps."""
    batch, count, _ = aims.rivals.shape
    parts, method = asked.parts, asked.method
    # Each picture's activation once per target, so that one pass through the head, forward and
    # back, serves all targets of all pictures and reads its weights once.
    copies = 1 if method.needs == "activation" else count
    activation = tf.repeat(parts.body(pixels), copies, axis=0)
    with overriding():
        *activations, rows = parts.through(activation)
    rows = tf.cast(rows, tf.float32)
    logits = rows[::copies]
    aims = aims.resolved(logits)
    if method.needs == "activation":
        maps = _fused([method.maps(tf.cast(a, tf.float32), xp=keras.ops) for a in activations])
        return MethodOutput(tf.repeat(maps, count, axis=0), tf.ones((batch * count,)), aims, logits)
    if method.rivals is not None:
        chosen = tf.cast(method.rivals(rows, aims.rows().classes, xp=keras.ops), tf.int32)
        aims = replace(aims, rivals=tf.reshape(chosen, (batch, count, chosen.shape[1])))
    # Rows do not touch each other, so the gradient of the sum is each row's own gradient.
    total = tf.reduce_sum(asked.values(rows, aims.rows()))
    arrays = _derivatives(total, activations, method)
    maps = _fused([method.maps(*of_layer, xp=keras.ops) for of_layer in arrays])
    peaks = [tf.reduce_max(tf.abs(gradient), axis=(1, 2, 3)) for _, gradient, *_ in arrays]
    return MethodOutput(maps, tf.reduce_max(tf.stack(peaks), axis=0), aims, logits)


def enlarge(maps: Any, size: tuple[int, int]) -> Any:
    """Interpolate maps (M, h, w) bilinearly to (M, *size), as rendering does."""
    return tf.image.resize(maps[..., tf.newaxis], size)[..., 0]


def _derivatives(total: Any, activations: Sequence[Any], method: Method) -> list[list[Any]]:
    """Return what `method` needs of each layer, float32: activation, gradient, curvature."""
    gradients = tf.gradients(total, activations, unconnected_gradients="zero")
    arrays = [activations, gradients]
    if method.needs == "curvature":
        for activation, gradient in zip(activations, gradients, strict=True):
            along = tf.reduce_sum(gradient * tf.stop_gradient(activation))
            arrays.append(tf.gradients(along, activation, unconnected_gradients="zero"))
        arrays[2:] = [[curvature for (curvature,) in arrays[2:]]]
    exact = [[tf.cast(array, tf.float32) for array in kind] for kind in arrays]
    return [list(of_layer) for of_layer in zip(*exact, strict=True)]


def _fused(maps: Sequence[Any]) -> Any:
    if len(maps) == 1:
        return maps[0]
    size = maps[0].shape[1:]
    return fuse(maps, lambda map_: enlarge(map_, size), xp=keras.ops)
