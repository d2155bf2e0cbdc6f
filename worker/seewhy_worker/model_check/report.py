"""Explain noise with a model file, and report how it can be explained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.maps import map_verdict
from seewhy.schemas.methods import OutputKind
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.models.loading import DEFAULT_SIZE_PX, load_file
from seewhy_worker.models.random_weights import shuffle_weights
from seewhy_worker.models.splitting.graph import output_names
from seewhy_worker.models.splitting.inputs import find_image_input
from seewhy_worker.models.splitting.split_model import SplitModel, split
from seewhy_worker.ports.heads import HeadOutput
from seewhy_worker.ports.targets import TargetTensors

SAME_MAP_CORRELATION = 0.9
"""Maps with at least this correlation count as the same."""


def check(
    path: Path,
    *,
    layer: str | None = None,
    output: str | None = None,
    outputs: OutputKind = "classes",
    modules: Sequence[str] = (),
    size: tuple[int, int] = DEFAULT_SIZE_PX,
    memory_bytes: int = MODEL_MEMORY_BYTES,
    shuffle: bool = True,
) -> list[str]:
    """Explain noise with the model in the file, then again with its weights shuffled.

    Returns the lines of the report. A map that survives the shuffling does not depend on what the
    network has learned (Adebayo et al. 2018, arXiv 1810.03292); without `shuffle` this part is
    omitted. Raises `UnsupportedModel` when the model cannot be explained, and `OutOfMemory`.
    """
    model = load_file(path, memory_bytes=memory_bytes, size=size, modules=modules)
    split_model = split(model, layer, output=output, outputs=outputs, size=size)
    noise = np.random.default_rng(0).standard_normal((1, *split_model.input_shape), np.float32)
    result = _explain(split_model, noise, target=-1)
    lines = [*_describe(model, split_model), _describe_result(result)]
    if not shuffle:
        return lines
    target = int(result.targets[0, 0])
    shuffle_weights(model, seed=1)
    shuffled_model = split(model, layer, output=output, outputs=outputs, size=size)
    shuffled_maps = _explain(shuffled_model, noise, target=target).maps
    return [*lines, _compare(result.maps, shuffled_maps)]


def _describe(model: Any, split_model: SplitModel) -> list[str]:
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    outputs = zip(output_names(model), shapes, strict=True)
    others = split_model.network.others.items()
    probabilities = split_model.probability_function
    return [
        f"input: {tuple(find_image_input(model).shape)}, explained at {split_model.input_shape}",
        *_propose_channels(split_model),
        *(f"other input: {name}, {one.length} numbers, 0 in this check" for name, one in others),
        *(f"output: {name} {shape}" for name, shape in outputs),
        *(f"candidate: {one.path} {one.shape}" for one in split_model.candidates),
        f"target layer: {split_model.layer}",
        f"reason: {split_model.layer_reason}",
        f"removed activation: {split_model.removed_activation}",
        f"{split_model.network.outputs}: {split_model.classes}"
        if probabilities == "none"
        else f"classes: {split_model.classes}, probabilities by {probabilities}",
    ]


def _propose_channels(split_model: SplitModel) -> list[str]:
    if split_model.input_shape[2] == 3:
        return []
    return ['catalog: channels = "luma", because the model sees one channel; or three weights']


def _describe_result(result: HeadOutput) -> str:
    health = map_verdict(result.maps[0, 0], gradient_peak=float(result.gradient_peak[0, 0]))
    return (
        f"explanation of noise: output {result.targets[0, 0]}, verdict {health}, values from "
        f"{result.maps.min():.3g} to {result.maps.max():.3g}"
    )


def _explain(split_model: SplitModel, pixels: NDArray[np.float32], *, target: int) -> HeadOutput:
    body = Body(split_model, batch=1)
    head = compile_head(split_model, find_method("gradcam"), cut=body.cut, targets=1, rivals=0)
    targets = TargetTensors(
        classes=np.array([[target]], np.int32),
        rivals=np.zeros((1, 1, 0), np.int32),
        signs=np.ones((1, 1), np.float32),
    )
    (cut,) = body(pixels).values()
    return head(cut, pixels, targets)


def _compare(map_: NDArray[np.float32], shuffled: NDArray[np.float32]) -> str:
    spread = float(map_.std() * shuffled.std())
    if spread == 0 or not np.isfinite(spread):
        return "shuffled weights: cannot compare, because a map is constant or not finite"
    correlation = float(np.corrcoef(map_.ravel(), shuffled.ravel())[0, 1])
    if correlation >= SAME_MAP_CORRELATION:
        return (
            "WARNING: the map stays the same with shuffled weights (correlation "
            f"{correlation:.2f}), so it does not show what the network has learned: choose "
            "another layer."
        )
    return f"shuffled weights: the map changes (correlation {correlation:.2f})"
