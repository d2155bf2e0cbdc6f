"""What a step is to explain: classes, their rivals and a sign, as tensors."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.targets import MAX_TARGETS

PADDING = -1_000_000
"""Fills the places of rivals that are not there."""


@dataclass(frozen=True, slots=True)
class TargetTensors:
    """K targets for each of N pictures; arrays outside of a step, tensors inside."""

    classes: Any
    """(N, K) int32; -r asks for the r-th most probable class."""
    rivals: Any
    """(N, K, R) int32, likewise, or `NOBODY`: their mean is taken off the class's score."""
    signs: Any
    """(N, K) float32; -1 asks what speaks against."""

    def resolved(self, logits: Any) -> "TargetTensors":
        """Replace ranks by class indices; `logits` are (N, classes)."""
        batch, count, width = self.rivals.shape
        rivals = _resolve(tf.reshape(self.rivals, (batch, count * width)), logits)
        return TargetTensors(
            _resolve(self.classes, logits), tf.reshape(rivals, (batch, count, width)), self.signs
        )

    def rows(self) -> "TargetTensors":
        """One row for each target: (N·K,), (N·K, R), (N·K,)."""
        batch, count, width = self.rivals.shape
        return TargetTensors(
            tf.reshape(self.classes, [-1]),
            tf.reshape(self.rivals, (batch * count, width)),
            tf.reshape(self.signs, [-1]),
        )

    def at(self, places: Any) -> "TargetTensors":
        """Choose rows of `rows()`, in this order."""
        return TargetTensors(
            *(tf.gather(one, places) for one in (self.classes, self.rivals, self.signs))
        )


def values(logits: Any, aims: TargetTensors, score: ScoreKind, scoring: str) -> Any:
    """Return what each row is explained by: logits (M, classes) and M rows of aims → (M,)."""
    scores = _scores(logits, score, scoring)
    own = tf.gather(scores, aims.classes, batch_dims=1)
    if not aims.rivals.shape[1]:
        return aims.signs * own
    there = tf.cast(aims.rivals >= 0, tf.float32)
    shares = there / tf.maximum(tf.reduce_sum(there, axis=1, keepdims=True), 1)
    others = tf.gather(scores, tf.maximum(aims.rivals, 0), batch_dims=1)
    return aims.signs * (own - tf.reduce_sum(shares * others, axis=1))


def _scores(logits: Any, score: ScoreKind, scoring: str) -> Any:
    if score == "logit":
        return logits
    return tf.sigmoid(logits) if scoring == "sigmoid" else tf.nn.softmax(logits)


def _resolve(wanted: Any, logits: Any) -> Any:
    """Replace ranks by class indices: (N, K) int32 and (N, classes) → (N, K) int32."""
    depth = min(MAX_TARGETS, logits.shape[-1])
    ranked = tf.math.top_k(logits, depth).indices
    places = tf.clip_by_value(-wanted - 1, 0, depth - 1)
    resolved = tf.where(wanted >= 0, wanted, tf.gather(ranked, places, batch_dims=1))
    return tf.where(wanted == PADDING, PADDING, resolved)
