"""The explainer of a Keras model, compiled for fixed batch sizes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import OutOfMemory, UnknownClass, UnsupportedModel
from seewhy.limits import MODEL_MEMORY_BYTES
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import MAX_RIVALS, MAX_TARGETS, Target
from seewhy_worker.cam.methods import Method, find_method
from seewhy_worker.checkpoints.checkpoint import Checkpoint, after_first, no_checkpoint
from seewhy_worker.explain.postprocess import build_explanation, probabilities
from seewhy_worker.explain.step_cache import StepCache, StepSpec
from seewhy_worker.explain.trust_scores import with_faithfulness
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation, PreparedImage
from seewhy_worker.keras_backend.chunk_loop import CALL_S
from seewhy_worker.keras_backend.steps import compile_forward, enable_memory_growth
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import prepare, preprocess
from seewhy_worker.models.splitting.candidates import find_layer
from seewhy_worker.models.splitting.split_model import SplitModel, split

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
TARGET_COUNTS = (1, 5, MAX_TARGETS)
"""Targets per image that single-pass steps are compiled for; shorter lists are padded."""
MAX_PASSES = 100
"""Estimated forward passes of one step of several images: no checkpoint interrupts a step."""
BATCH_TOLERANCE = 1e-4
"""How much a map may change with its batch, relative to the map's largest magnitude."""


def load_explainer(
    spec: ModelSpec,
    *,
    weights_path: Path | None,
    max_batch: int,
    memory_bytes: int = MODEL_MEMORY_BYTES,
) -> "KerasExplainer":
    """Load the model of `spec` from a file with a verified digest, which may take `memory_bytes`.

    `weights_path` is None for random weights. Raises `UnsupportedModel`, also when the catalog's
    input size or labels do not match the network, and `OutOfMemory`.
    """
    enable_memory_growth()
    keras_model = load_model(spec, weights_path=weights_path, memory_bytes=memory_bytes)
    size = (spec.input.height_px, spec.input.width_px)

    def split_at(layers: tuple[str, ...] | str | None) -> SplitModel:
        return split(keras_model, layers, output=spec.output, size=size)

    model = split_at(spec.layer)
    for layer in spec.layers:
        find_layer(model.candidates, layer)
    return KerasExplainer(spec=spec, model=model, max_batch=max_batch, split_at=split_at)


class KerasExplainer:
    """Explains batches of images. A map does not depend on the other images of its batch."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        model: SplitModel,
        max_batch: int,
        split_at: Callable[[tuple[str, ...]], SplitModel] | None = None,
    ) -> None:
        """Explain at the layer of `model`; `split_at` splits the model at other layers."""
        _check_against_catalog(spec, model)
        limit = min(max_batch, spec.max_batch)
        self.spec = spec
        self.digest = spec.digest
        self.layer = model.layer
        self.map_shape = model.map_shape
        self._model = model
        self._batch_sizes = tuple(size for size in BATCH_SIZES if size <= limit)
        self._chunk_size = self._batch_sizes[-1]
        """Images that a multi-pass method sends through the network together."""
        self._forward = lru_cache(lambda batch: compile_forward(model, batch=batch))
        black = np.zeros((spec.input.height_px, spec.input.width_px, 3), np.uint8)
        self._steps = StepCache(
            model=model, split_at=split_at, black=preprocess(black, spec.preprocessing)
        )

    def prepare(self, image: NDArray[np.uint8]) -> PreparedImage:
        """Preprocess an RGB image (H, W, 3) for the network. Thread-safe."""
        pixels, covers = prepare(image, self.spec)
        return PreparedImage(pixels=pixels, covers=covers)

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        """Explain each task, in order, with a `checkpoint` between passes. Not thread-safe.

        If no map of an image has the verdict `ok`, its fallback methods run in turn; if none of
        them helps, the first explanation is returned. Raises `UnknownClass` and `UnknownMethod`
        for what does not exist, `UnsupportedModel` when the network has no such layer or does not
        suit the method, `ValueError` for more than 20 targets, `OutOfMemory`, and what the
        checkpoint raises.
        """
        self._check_targets(tasks)
        checkpoint = after_first(checkpoint)
        explanations = self._run(tasks, checkpoint)
        for position in range(max((len(task.options.fallback) for task in tasks), default=0)):
            unusable = [
                index
                for index, task in enumerate(tasks)
                if position < len(task.options.fallback) and not _is_usable(explanations[index])
            ]
            retried = self._run(
                [_fallback(tasks[index], position) for index in unusable], checkpoint
            )
            for index, other in zip(unusable, retried, strict=True):
                explanations[index] = _merge(explanations[index], other)
        probabilities_of = partial(self.probabilities, checkpoint=checkpoint)
        return [
            with_faithfulness(explanation, task.image.pixels, probabilities=probabilities_of)
            if task.options.trust
            else explanation
            for explanation, task in zip(explanations, tasks, strict=True)
        ]

    def warm_up(self) -> None:
        """Compile and run Grad-CAM of one logit at every batch size, and measure a pass.

        On a slow device, methods of many passes then send fewer images through the network
        together. Other steps share the weights and are compiled on first use.
        """
        for batch in self._batch_sizes:
            self._run_gradcam(batch)
        started_s = time.perf_counter()
        self._run_gradcam(1)
        self.set_pass_time(time.perf_counter() - started_s)

    def set_pass_time(self, pass_s: float) -> None:
        """Choose how many images a chunk has, where one image takes `pass_s`.

        A chunk takes `CALL_S`, or longer if one image does.
        """
        self._chunk_size = max(
            size for size in self._batch_sizes if size == 1 or size * pass_s <= CALL_S
        )

    def _run_gradcam(self, batch: int) -> None:
        pixels = np.zeros((batch, *self._model.input_shape), np.float32)
        step = self._steps.step(StepSpec("gradcam", "logit", (), batch, 1, 0, 1))
        step(pixels, TargetTensors.pad([(Target(index=-1),)] * batch, batch, 1, 0))

    def probabilities(
        self, pixels: NDArray[np.float32], *, checkpoint: Checkpoint = no_checkpoint
    ) -> NDArray[np.float64]:
        """Compute class probabilities from the network's input: (M, H, W, 3) → (M, classes).

        Calls `checkpoint` before each chunk. Raises `OutOfMemory`.
        """
        found = []
        try:
            for start in range(0, len(pixels), self._chunk_size):
                checkpoint()
                found.append(self._probabilities(pixels[start : start + self._chunk_size]))
        except OutOfMemory:
            if self._chunk_size == 1:
                raise
            self._chunk_size //= 2
            return self.probabilities(pixels, checkpoint=checkpoint)
        return np.concatenate(found)

    def _probabilities(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        batch = _round_up(len(pixels), self._batch_sizes)
        padded = np.zeros((batch, *self._model.input_shape), np.float32)
        padded[: len(pixels)] = pixels
        return probabilities(
            self._forward(batch)(padded)[: len(pixels)], self._model.probability_function
        )

    def _run(
        self, tasks: Sequence[ExplanationTask], checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        """Explain each task with its method; tasks that share a compiled step run together."""
        groups: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        for index, task in enumerate(tasks):
            key = (task.options.method, task.options.score, task.options.layers)
            groups.setdefault(key, []).append(index)
        explanations: dict[int, ImageExplanation] = {}
        for (name, _, _), indices in groups.items():
            method = find_method(name)
            limit = self._images_per_step([tasks[index] for index in indices], method)
            for start in range(0, len(indices), limit):
                chunk = indices[start : start + limit]
                checkpoint()
                found = self._run_step([tasks[index] for index in chunk], method, checkpoint)
                explanations.update(zip(chunk, found, strict=True))
        return [explanations[index] for index in range(len(tasks))]

    def _images_per_step(self, tasks: Sequence[ExplanationTask], method: Method) -> int:
        """Return how many images a step explains, so that checkpoints are not too far apart."""
        if not method.single_pass:
            return 1
        options = MethodOptions(method=method.name, layers=tasks[0].options.layers)
        passes = forward_passes(options, targets=max(len(task.targets) for task in tasks))
        return max(size for size in self._batch_sizes if size == 1 or size * passes <= MAX_PASSES)

    def _run_step(
        self, tasks: Sequence[ExplanationTask], method: Method, checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        """Run one compiled step for tasks that share method, score and layers."""
        options = tasks[0].options
        targets = [task.targets for task in tasks]
        batch = _round_up(len(tasks), self._batch_sizes)
        count = max(map(len, targets))
        if method.single_pass:  # an extra target costs next to nothing
            count = _round_up(count, TARGET_COUNTS)
        rivals = MAX_RIVALS if any(target.rivals for each in targets for target in each) else 0
        pixels = np.zeros((batch, *self._model.input_shape), np.float32)
        pixels[: len(tasks)] = [task.image.pixels for task in tasks]
        layers = options.layers if method.has_layer else ()
        chunk_size = 1 if method.single_pass else self._chunk_size
        spec = StepSpec(method.name, options.score, layers, batch, count, rivals, chunk_size)
        try:
            step = self._steps.step(spec)
            output = step(pixels, TargetTensors.pad(targets, batch, count, rivals), checkpoint)
        except OutOfMemory:
            if chunk_size == 1:
                raise
            self._chunk_size //= 2
            return self._run_step(tasks, method, checkpoint)
        model = self._steps.model_at(layers)
        return [
            build_explanation(output, row, task, method=method, spec=self.spec, model=model)
            for row, task in enumerate(tasks)
        ]

    def _check_targets(self, tasks: Sequence[ExplanationTask]) -> None:
        classes = self._model.classes
        for task in tasks:
            if len(task.targets) > MAX_TARGETS:
                raise ValueError(
                    f"{len(task.targets)} targets in one task; at most {MAX_TARGETS} are allowed"
                )
            for index in (i for target in task.targets for i in (target.index, *target.rivals)):
                if not -min(classes, MAX_TARGETS) <= index < classes:
                    raise UnknownClass(
                        f"{self.spec.name} has {classes} classes; class {index} does not exist"
                    )


def _check_against_catalog(spec: ModelSpec, model: SplitModel) -> None:
    expected = (spec.input.height_px, spec.input.width_px, 3)
    if model.input_shape != expected:
        raise UnsupportedModel(
            f"{spec.name} takes images of shape {model.input_shape}, but the catalog says "
            f"{expected}: correct `input` in the catalog."
        )
    if model.classes != len(spec.labels):
        raise UnsupportedModel(
            f"{spec.name} has {model.classes} classes, but {spec.labels_file} lists "
            f"{len(spec.labels)}: correct `labels_file` in the catalog."
        )


def _is_usable(explanation: ImageExplanation) -> bool:
    return any(target.verdict is Verdict.OK for target in explanation.targets)


def _fallback(task: ExplanationTask, position: int) -> ExplanationTask:
    method = task.options.fallback[position]
    return replace(task, options=task.options.model_copy(update={"method": method}))


def _merge(first: ImageExplanation, other: ImageExplanation) -> ImageExplanation:
    """Choose the fallback's explanation if it is usable, and record both methods as tried."""
    chosen = other if _is_usable(other) else first
    return replace(chosen, tried=first.tried + other.tried)


def _round_up(number: int, sizes: Sequence[int]) -> int:
    return next(size for size in sizes if size >= number)
