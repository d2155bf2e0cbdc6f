"""Methods that test each channel: the image masked by it, or the head without it."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy_worker.cam.perturbation.scorecam import channel_masks
from seewhy_worker.checkpoints.checkpoint import CALL_S, Checkpoint
from seewhy_worker.keras_backend.chunk_loop import ChunkLoop
from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy
from seewhy_worker.keras_backend.head_context import (
    ForwardPass,
    HeadContext,
    HeadInputs,
    MethodOutput,
    index_chunks,
)
from seewhy_worker.keras_backend.target_tensors import flatten, gather, resolve_ranks
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.targets import TargetTensors

_ACTIVATIONS_PER_IMAGE = 4
"""The head needs less memory than the body, so more activations than images fit in a chunk."""


class PerturbationHead:
    """Explains one image. All its targets share the passes."""

    def __init__(self, context: HeadContext, inputs: HeadInputs) -> None:
        """Compile the pass through the head, and the scores of a chunk of channels."""
        self._context = context
        self._masked = context.method.needs == "masked"
        self._from_pixels = context.passes.ranks_from_pixels(context.method)
        start = _start_from_pixels if self._from_pixels else _start
        self._start = CompiledGraph(
            partial(start, context), self._start_of(inputs), *inputs.targets
        )
        selected, _, classes, rivals, _ = self._start.outputs
        chunk_size = context.passes.images * (1 if self._masked else _ACTIVATIONS_PER_IMAGE)
        self._channels = selected.shape[3]
        chunks = index_chunks(self._channels, chunk_size)
        targets = (classes, rivals, inputs.signs)
        sources = (inputs.pixels, selected) if self._masked else (inputs.cut,)
        self._scores: ChunkLoop | MaskedPasses
        if self._masked and context.passes.forward is not None:
            self._scores = MaskedPasses(context, context.passes.forward, chunks, targets, sources)
        else:
            score = partial(_score_masked if self._masked else _score_ablated, context)
            self._scores = ChunkLoop(score, [chunks], *targets, *sources)

    def __call__(self, inputs: HeadInputs, checkpoint: Checkpoint) -> MethodOutput:
        """Explain one image, with checkpoints between the chunks."""
        selected, full_scores, classes, rivals, logits = self._start(
            self._start_of(inputs), *inputs.targets
        )
        sources = (inputs.pixels, selected) if self._masked else (inputs.cut,)
        chunks = self._scores(classes, rivals, inputs.signs, *sources, checkpoint=checkpoint)
        scores = np.concatenate(chunks)[: self._channels].T  # (K, C)
        if self._masked:
            peaks = np.ones(len(scores), np.float32)
        else:
            scores = full_scores.numpy()[:, np.newaxis] - scores
            peaks = np.abs(scores).max(axis=1)
        activation = tf.repeat(selected, len(scores), axis=0)
        maps = self._context.method.formula(activation, tf.constant(scores), xp=keras.ops)
        return MethodOutput(maps, peaks, TargetTensors(classes, rivals, inputs.signs), logits)

    def _start_of(self, inputs: HeadInputs) -> Any:
        return inputs.pixels if self._from_pixels else inputs.cut


class MaskedPasses:
    """Scores an image masked by each channel; the forward passes run on the model's engine."""

    def __init__(
        self,
        context: HeadContext,
        forward: Callable[[int], ForwardPass],
        chunks: NDArray[np.int32],
        targets: Sequence[tf.TensorSpec],
        sources: Sequence[tf.TensorSpec],
    ) -> None:
        """Compile for `chunks`, with one row of channels for each pass."""
        count, size = chunks.shape
        self._chunks = chunks
        self._mask = CompiledGraph(
            lambda *arrays: [_mask(*arrays)], tf.TensorSpec((size,), tf.int32), *sources
        )
        self._forward = forward(size)
        self._score = CompiledGraph(
            lambda logits, *arrays: [
                _scores_of_all_targets(context, logits, TargetTensors(*arrays))
            ],
            tf.TensorSpec((count * size, context.model.classes), tf.float32),
            *targets,
        )

    def __call__(
        self, classes: Any, rivals: Any, signs: Any, *sources: Any, checkpoint: Checkpoint
    ) -> list[NDArray[np.float32]]:
        """Return the scores of all channels, (chunks · size, K), with checkpoints in between."""
        logits: list[NDArray[np.float32]] = []
        pause_s = -math.inf
        for channels in self._chunks:
            if time.perf_counter() >= pause_s:
                checkpoint()
                pause_s = time.perf_counter() + CALL_S
            logits.append(self._forward(to_numpy(self._mask(channels, *sources))[0]))
        return to_numpy(self._score(np.concatenate(logits), classes, rivals, signs))


def _start_from_pixels(context: HeadContext, pixels: Any, *targets: Any) -> tuple[Any, ...]:
    return _start(context, context.model.body(pixels), *targets)


def _start(context: HeadContext, cut: CutTensors, *targets: Any) -> tuple[Any, ...]:
    """Return the selected activation, the scores (K,), resolved targets and logits."""
    logits = tf.cast(context.model.head(cut), tf.float32)
    resolved = resolve_ranks(TargetTensors(*targets), logits)
    selected = _select_channels(tf.cast(cut[0], tf.float32), context.method.max_channels)
    scores = _scores_of_all_targets(context, logits, resolved)[0]
    return selected, scores, resolved.classes, resolved.rivals, logits


def _select_channels(activation: Any, count: int | None) -> Any:
    """Select the `count` channels of (1, h, w, C) with the largest spatial deviation."""
    if count is None or count >= activation.shape[3]:
        return activation
    deviation = tf.math.reduce_std(activation[0], axis=(0, 1))
    # Rank channels that are not finite first, so that the map shows them; top_k orders NaN freely.
    deviation = tf.where(tf.math.is_finite(deviation), deviation, tf.float32.max)
    return tf.gather(activation, tf.math.top_k(deviation, count).indices, axis=3)


def _score_masked(
    context: HeadContext, channels: Any, classes: Any, rivals: Any, signs: Any, *sources: Any
) -> Any:
    """Score the image multiplied by the mask of each channel (n,): (n, K)."""
    logits = context.model.head(context.model.body(_mask(channels, *sources)))
    return _scores_of_all_targets(context, logits, TargetTensors(classes, rivals, signs))


def _mask(channels: Any, pixels: Any, activation: Any) -> Any:
    """Multiply an image (1, H, W, 3) by the mask of each channel (n,): (n, H, W, 3)."""
    selected = tf.gather(activation, channels, axis=3)
    # (1, H, W, n) → (n, H, W, 1)
    masks = channel_masks(tf.image.resize(selected, pixels.shape[1:3]), xp=keras.ops)
    return pixels * tf.transpose(masks, (3, 1, 2, 0))


def _score_ablated(
    context: HeadContext, channels: Any, classes: Any, rivals: Any, signs: Any, cut: CutTensors
) -> Any:
    """Score the activation (1, h, w, C) with each channel (n,) set to 0: (n, K)."""
    activation, *bypass = cut
    kept = 1 - tf.one_hot(channels, activation.shape[3], dtype=activation.dtype)
    ablated = tf.where(kept[:, tf.newaxis, tf.newaxis] > 0, activation, 0)
    repeated = (tf.repeat(tensor, channels.shape[0], axis=0) for tensor in bypass)
    logits = context.model.head((ablated, *repeated))
    return _scores_of_all_targets(context, logits, TargetTensors(classes, rivals, signs))


def _scores_of_all_targets(context: HeadContext, logits: Any, targets: TargetTensors) -> Any:
    """Compute the scores of all K targets of one image: logits (M, classes) → (M, K)."""
    count, rows = targets.classes.shape[1], logits.shape[0]
    repeated = gather(flatten(targets), tf.tile(tf.range(count), [rows]))
    scores = context.target_scores(tf.repeat(logits, count, axis=0), repeated)
    return tf.reshape(scores, (rows, count))
