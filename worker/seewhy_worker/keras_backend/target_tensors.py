"""The targets of a head as tensors: classes, their rivals and a sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.targets import MAX_TARGETS, Target
from seewhy_worker.models.splitting.output_activation import ProbabilityFunction

PADDING = -1_000_000
"""Fills unused entries of `TargetTensors.rivals`."""


@dataclass(frozen=True, slots=True)
class TargetTensors:
    """K targets for each of N images: NumPy arrays outside a head, tensors inside."""

    classes: Any
    """(N, K) int32 class indices; -r is the r-th most probable class."""
    rivals: Any
    """(N, K, R) int32, likewise, or `PADDING`. Their mean score is subtracted from the class's."""
    signs: Any
    """(N, K) float32; 1 explains what supports the target, -1 what opposes it."""

    @classmethod
    def pad(
        cls, targets: Sequence[tuple[Target, ...]], batch: int, count: int, rivals: int
    ) -> "TargetTensors":
        """Pad to (batch, count) targets of `rivals` rivals, with the predicted class."""
        tensors = cls(
            np.full((batch, count), -1, np.int32),
            np.full((batch, count, rivals), PADDING, np.int32),
            np.ones((batch, count), np.float32),
        )
        for row, image_targets in enumerate(targets):
            for column, target in enumerate(image_targets):
                tensors.classes[row, column] = target.index
                tensors.rivals[row, column, : len(target.rivals)] = target.rivals
                tensors.signs[row, column] = -1 if target.against else 1
        return tensors

    def resolve_ranks(self, logits: Any) -> "TargetTensors":
        """Replace ranks by class indices; `logits` is (N, classes)."""
        batch, count, width = _sizes(self.rivals)
        rivals = _resolve_ranks(tf.reshape(self.rivals, (batch, count * width)), logits)
        return TargetTensors(
            classes=_resolve_ranks(self.classes, logits),
            rivals=tf.reshape(rivals, (batch, count, width)),
            signs=self.signs,
        )

    def flatten(self) -> "TargetTensors":
        """Return one row per target: (N·K,), (N·K, R), (N·K,)."""
        batch, count, width = _sizes(self.rivals)
        rows = batch if count == 1 else batch * count
        return TargetTensors(
            classes=tf.reshape(self.classes, [-1]),
            rivals=tf.reshape(self.rivals, (rows, width)),
            signs=tf.reshape(self.signs, [-1]),
        )

    def gather(self, rows: Any) -> "TargetTensors":
        """Select rows of flattened targets in the order of `rows`."""
        return TargetTensors(
            classes=tf.gather(self.classes, rows),
            rivals=tf.gather(self.rivals, rows),
            signs=tf.gather(self.signs, rows),
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
