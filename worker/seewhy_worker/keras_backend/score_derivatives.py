"""The scores of targets and their derivatives with respect to the target layer, row by row."""

from typing import Any

import keras
import tensorflow as tf

from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.cam.layer.finercam import nearest_rivals
from seewhy_worker.keras_backend.plain_gradients import plain_gradients
from seewhy_worker.keras_backend.target_tensors import flatten, resolve_ranks, target_scores
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.targets import TargetTensors


def score_derivatives(
    model: SplitModel, kind: Derivatives, cut: CutTensors, targets: TargetTensors
) -> list[Any]:
    """Compute derivatives at M rows with one target each, with operations that all engines have.

    M, the first axis of the tensors of `cut`, may be None; `targets` has one column. Returns the
    logits (M, classes), the resolved classes (M, 1) and rivals (M, 1, R), and as many derivatives
    (M, h, w, C) as `kind.order` says. All are float32, and the indices int32.
    """
    with plain_gradients():
        *activations, logits = model.head_with_activations(cut)
        logits = tf.cast(logits, tf.float32)
        targets = resolve_ranks(targets, logits)
        if kind.chooses_rivals:
            chosen = nearest_rivals(logits, targets.classes[:, 0], xp=keras.ops)
            targets = TargetTensors(
                targets.classes, tf.cast(chosen, tf.int32)[:, tf.newaxis], targets.signs
            )
        found = [logits, targets.classes, targets.rivals]
        if kind.order == 0:
            return found
        function = model.probability_function
        scores = target_scores(logits, flatten(targets), kind.score, function)
        # Rows are independent, so the gradient of their sum holds the gradient of each row.
        gradient = _gradient(tf.reduce_sum(scores), activations[0])
        found.append(gradient)
        if kind.order == 2:
            along = tf.reduce_sum(gradient * tf.stop_gradient(activations[0]))
            found.append(_gradient(along, activations[0]))
    return found


def _gradient(total: Any, activation: Any) -> Any:
    (gradient,) = tf.gradients(total, activation, unconnected_gradients="zero")
    return tf.cast(gradient, tf.float32)
