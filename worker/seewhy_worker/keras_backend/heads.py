"""Compile heads: functions from cuts and targets to maps, for fixed numbers of both."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.keras_backend.bodies import CutSpec
from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, translate_oom
from seewhy_worker.keras_backend.head_context import (
    HeadContext,
    HeadInputs,
    MethodOutput,
    Passes,
)
from seewhy_worker.keras_backend.layer_methods import explain_layers
from seewhy_worker.keras_backend.perturbation_methods import PerturbationHead
from seewhy_worker.keras_backend.pixel_methods import PixelHead
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.heads import Head, HeadOutput, Pixels
from seewhy_worker.ports.targets import TargetTensors

MethodHead = Callable[[HeadInputs, Checkpoint], MethodOutput]


def compile_head(
    model: SplitModel,
    method: Method,
    *,
    cut: CutSpec,
    targets: int,
    rivals: int,
    score: ScoreKind = "logit",
    black: Pixels | None = None,
    passes: Passes | None = None,
) -> Head:
    """Compile the explanation of a batch of images with `targets` targets each.

    `cut` is that of the body, for the batch. The head takes it, the pixels (batch, H, W, 3) and
    `TargetTensors` with `rivals` rivals per target. `black` is a black image (H, W, 3) after
    preprocessing, by default zeros. A method with several passes requires a batch of one, and sends
    images through the network as `passes` says. The head
    raises `OutOfMemory` when the device runs out of memory. Compiling raises `UnsupportedModel`
    when the method does not apply to the network.
    """
    batch = cut[0].shape[0]
    inputs = HeadInputs(
        cut,
        tf.TensorSpec((batch, *model.input_shape), tf.float32),
        tf.TensorSpec((batch, targets), tf.int32),
        tf.TensorSpec((batch, targets, rivals), tf.int32),
        tf.TensorSpec((batch, targets), tf.float32),
    )
    if black is None:
        black = np.zeros(model.input_shape, np.float32)
    context = HeadContext(model, method, score, black, passes or Passes())
    explain = _COMPILE_BY_NEED.get(method.needs, _compile_single_pass)(context, inputs)

    def head(
        cut: CutTensors,
        pixels: Pixels,
        targets: TargetTensors,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> HeadOutput:
        arrays = HeadInputs(cut, pixels, targets.classes, targets.rivals, targets.signs)
        return translate_oom(lambda: _to_output(explain(arrays, checkpoint)))

    return head


def _compile_single_pass(context: HeadContext, inputs: HeadInputs) -> MethodHead:
    def explain(cut: CutTensors, *targets: Any) -> tuple[Any, ...]:
        output = explain_layers(context, cut, TargetTensors(*targets))
        found = output.targets
        return output.maps, output.gradient_peak, found.classes, found.rivals, output.logits

    graph = CompiledGraph(explain, inputs.cut, *inputs.targets)

    def head(arrays: HeadInputs, _: Checkpoint) -> MethodOutput:
        maps, peaks, classes, rivals, logits = graph(arrays.cut, *arrays.targets)
        return MethodOutput(maps, peaks, TargetTensors(classes, rivals, arrays.signs), logits)

    return head


_COMPILE_BY_NEED: dict[str, Callable[[HeadContext, HeadInputs], MethodHead]] = {
    "masked": PerturbationHead,
    "ablated": PerturbationHead,
    "pixels": PixelHead,
    "guided": PixelHead,
}
"""Methods of many passes."""


def _to_output(output: MethodOutput) -> HeadOutput:
    targets = output.targets
    arrays = (output.maps, output.gradient_peak, targets.classes, targets.rivals, output.logits)
    maps, peaks, classes, *rest = map(np.asarray, arrays)
    maps = maps.reshape(*classes.shape, *maps.shape[1:])
    return HeadOutput(maps, peaks.reshape(classes.shape), classes, *rest)
