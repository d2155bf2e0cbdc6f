"""Targets inside a graph, and their scores."""

from typing import Any

import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.targets import MAX_TARGETS
from seewhy_worker.ports.model_facts import ProbabilityFunction
from seewhy_worker.ports.targets import PADDING, TargetTensors


def resolve_ranks(targets: TargetTensors, logits: Any) -> TargetTensors:
    """Replace ranks by class indices; `logits` is (N, classes)."""
    batch, count, width = _sizes(targets.rivals)
    rivals = _resolve_ranks(tf.reshape(targets.rivals, (batch, count * width)), logits)
    return TargetTensors(
        classes=_resolve_ranks(targets.classes, logits),
        rivals=tf.reshape(rivals, (batch, count, width)),
        signs=targets.signs,
    )


def flatten(targets: TargetTensors) -> TargetTensors:
    """Return one row per target: (N·K,), (N·K, R), (N·K,)."""
    batch, count, width = _sizes(targets.rivals)
    rows = batch if count == 1 else batch * count
    return TargetTensors(
        classes=tf.reshape(targets.classes, [-1]),
        rivals=tf.reshape(targets.rivals, (rows, width)),
        signs=tf.reshape(targets.signs, [-1]),
    )


def gather(targets: TargetTensors, rows: Any) -> TargetTensors:
    """Select rows of flattened targets in the order of `rows`."""
    return TargetTensors(
        classes=tf.gather(targets.classes, rows),
        rivals=tf.gather(targets.rivals, rows),
        signs=tf.gather(targets.signs, rows),
    )


def _sizes(rivals: Any) -> tuple[int, int, int]:
    """Return N, K and R; -1 for a batch of any size, which has one target per image."""
    batch, count, width = rivals.shape
    return -1 if batch is None else batch, count, width


def target_scores(
    logits: Any,
    targets: TargetTensors,
    score: ScoreKind,
    probability_function: ProbabilityFunction,
) -> Any:
    """Compute the explained score of each row: logits (M, classes), M flat targets → (M,)."""
    scores = _class_scores(logits, score, probability_function)
    class_scores = tf.gather(scores, targets.classes, batch_dims=1)
    if not targets.rivals.shape[1]:
        return targets.signs * class_scores
    is_present = tf.cast(targets.rivals >= 0, tf.float32)
    weights = is_present / tf.maximum(tf.reduce_sum(is_present, axis=1, keepdims=True), 1)
    rival_scores = tf.gather(scores, tf.maximum(targets.rivals, 0), batch_dims=1)
    return targets.signs * (class_scores - tf.reduce_sum(weights * rival_scores, axis=1))


def _class_scores(logits: Any, score: ScoreKind, probability_function: ProbabilityFunction) -> Any:
    if score != "probability":
        return logits
    return tf.sigmoid(logits) if probability_function == "sigmoid" else tf.nn.softmax(logits)


def _resolve_ranks(classes: Any, logits: Any) -> Any:
    """Replace ranks by class indices: (N, K) int32 and (N, classes) → (N, K) int32."""
    depth = min(MAX_TARGETS, logits.shape[-1])
    by_rank = tf.math.top_k(logits, depth).indices
    ranks = tf.clip_by_value(-classes - 1, 0, depth - 1)
    resolved = tf.where(classes >= 0, classes, tf.gather(by_rank, ranks, batch_dims=1))
    return tf.where(classes == PADDING, PADDING, resolved)
