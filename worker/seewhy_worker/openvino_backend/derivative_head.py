"""Heads of one pass whose scores and derivatives OpenVINO computes. Imports no TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.targets import MAX_RIVALS
from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.cam.methods import Method
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.openvino_backend.compiled_model import CompiledModel
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.heads import HeadOutput, Pixels
from seewhy_worker.ports.targets import PADDING, TargetTensors


class DerivativeHead:
    """Implements `seewhy_worker.ports.heads.Head` for any number of images and targets."""

    def __init__(self, compiled: CompiledModel, kind: Derivatives, method: Method) -> None:
        """Apply the formula of a method to what `compiled` returns.

        `compiled` takes and returns what `score_derivatives` of the Keras backend does for `kind`.
        """
        self._compiled = compiled
        self._kind = kind
        self._method = method

    def __call__(
        self,
        cut: CutTensors,
        pixels: Pixels,
        targets: TargetTensors,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> HeadOutput:
        """Explain images from the cut that the body computed. Raises `OutOfMemory`."""
        batch, count, width = targets.rivals.shape
        logits, classes, rivals, *derivatives = self._run(cut, targets)
        maps, peaks = self._explain(np.asarray(cut[0], np.float32), count, derivatives)
        if not self._kind.chooses_rivals:
            rivals = rivals[..., :width]
        return HeadOutput(
            maps=maps.reshape(batch, count, *maps.shape[1:]),
            gradient_peak=peaks.reshape(batch, count),
            targets=classes.reshape(batch, count),
            rivals=rivals.reshape(batch, count, -1),
            logits=logits[::count],
        )

    def scores(self, cut: CutTensors) -> NDArray[np.float32]:
        """Return the logits (N, classes) of images, without maps. Raises `OutOfMemory`."""
        return self._run(cut, TargetTensors.pad([], len(cut[0]), 1, 0))[0]

    def _run(self, cut: CutTensors, targets: TargetTensors) -> list[NDArray[Any]]:
        """Compute one row for each target of each image."""
        count = targets.classes.shape[1]
        return self._compiled(
            *(np.repeat(np.asarray(tensor), count, axis=0) for tensor in cut),
            targets.classes.reshape(-1, 1),
            _widen(targets.rivals).reshape(-1, 1, MAX_RIVALS),
            targets.signs.reshape(-1, 1),
        )

    def _explain(
        self, activation: NDArray[np.float32], count: int, derivatives: Sequence[NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the maps (N·K, h, w) and the peaks (N·K,) of the gradients."""
        if self._kind.order == 0:  # no map depends on the class
            maps = np.repeat(self._method.formula(activation, xp=np), count, axis=0)
            return maps, np.ones(len(maps), np.float32)
        rows = np.repeat(activation, count, axis=0)
        maps = self._method.formula(rows, *derivatives, xp=np)
        return maps, np.abs(derivatives[0]).max(axis=(1, 2, 3))


def _widen(rivals: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pad rivals (N, K, R) to the width that the model was converted for."""
    missing = MAX_RIVALS - rivals.shape[2]
    return np.pad(rivals, ((0, 0), (0, 0), (0, missing)), constant_values=PADDING)
