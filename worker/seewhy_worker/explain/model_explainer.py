"""Explains images by the graphs of a model, whatever computes them."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seewhy.annotations.coco.selection import cells_within
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import InvalidRequest, UnknownClass
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import MAX_TARGETS
from seewhy.schemas.within import Within
from seewhy_worker.checkpoints.checkpoint import (
    Checkpoint,
    after_first,
    followed_by,
    no_checkpoint,
)
from seewhy_worker.explain.batch_sizes import BatchSizes
from seewhy_worker.explain.method_runner import MethodRunner
from seewhy_worker.explain.trust_scores import with_faithfulness
from seewhy_worker.explain.types import (
    ExplanationTask,
    ImageExplanation,
    InputItems,
    PreparedImage,
)
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.ports.graphs import Graphs
from seewhy_worker.ports.scoring import DEFAULT_SCORING, Scoring


class ModelExplainer:
    """Explains batches of images. A map does not depend on the other images of its batch."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        graphs: Graphs,
        device: str,
        max_batch: int,
        activation_cache_bytes: int = 0,
        memory_bytes: int = 0,
    ) -> None:
        """Explain with the graphs of the model of `spec`, which run on `device`.

        The activations of images with a `cache_key` are kept, up to `activation_cache_bytes`.
        The weights take `memory_bytes`; who loads the model may add what else it takes.
        """
        model = graphs.model_at(())
        self.spec = spec
        self.digest = spec.digest
        self.device = device
        self.pass_s: float | None = None
        self.memory_bytes = memory_bytes
        self.layer = model.layer
        self.map_shape = model.map_shape
        self._classes = model.classes
        self._score_grid = model.score_grid
        self.graphs = graphs
        self._activation_cache_bytes = activation_cache_bytes
        self.limit_batch(min(max_batch, spec.max_batch))

    def limit_batch(self, limit: int) -> None:
        """Explain at most `limit` images in a batch from now on. Kept activations are dropped."""
        self.max_batch = limit
        self._batch_sizes = BatchSizes.up_to(limit)
        self._runner = MethodRunner(
            spec=self.spec,
            graphs=self.graphs,
            batch_sizes=self._batch_sizes,
            activation_cache_bytes=self._activation_cache_bytes,
        )

    def prepare(self, image: NDArray[np.uint8], *, within: Within | None = None) -> PreparedImage:
        """Preprocess an RGB image (H, W, 3) for the network. Thread-safe.

        `within` is where the pixels of a model of segments count. Raises `InvalidRequest` when
        it holds none of them.
        """
        pixels, covers = prepare(image, self.spec)
        scoring = Scoring(self._cells_within(within, covers)) if within else DEFAULT_SCORING
        return PreparedImage(pixels=pixels, covers=covers, scoring=scoring)

    def _cells_within(self, within: Within, covers: Rectangle) -> NDArray[np.bool_]:
        if self._score_grid is None:
            raise InvalidRequest(f"{self.spec.name} scores no pixels of a known grid")
        return cells_within(within, covers, self._score_grid)

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
        groups: dict[tuple[InputItems, bytes], list[int]] = {}
        for index, task in enumerate(tasks):
            groups.setdefault((task.image.inputs, task.image.scoring.key), []).append(index)
        found: dict[int, ImageExplanation] = {}
        for indices in groups.values():
            group = [tasks[index] for index in indices]
            set_inputs = partial(self._set_inputs, group[0].image)
            set_inputs()
            # At a checkpoint, other explanations may run, which set inputs of their own.
            explained = self._explain_group(group, followed_by(checkpoint, set_inputs))
            found.update(zip(indices, explained, strict=True))
        return [found[index] for index in range(len(tasks))]

    def _set_inputs(self, image: PreparedImage) -> None:
        self.graphs.set_inputs({**self.spec.inputs, **dict(image.inputs)})
        self.graphs.set_scoring(image.scoring)

    def _explain_group(
        self, tasks: Sequence[ExplanationTask], checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        """Explain tasks whose inputs beside the image and scoring are equal, and set."""
        explanations = self._runner.run(tasks, checkpoint)
        for position in range(max((len(task.options.fallback) for task in tasks), default=0)):
            unusable = [
                index
                for index, task in enumerate(tasks)
                if position < len(task.options.fallback) and not _is_usable(explanations[index])
            ]
            retried = self._runner.run(
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

    @property
    def engine(self) -> str:
        """What computes the activations, with its version and precision."""
        return self.graphs.engine

    def warm_up(self) -> None:
        """Compile and run Grad-CAM of one logit at every batch size, and measure a pass.

        On a slow device, methods of many passes then send fewer images through the network
        together. Other heads share the weights and are compiled on first use.
        """
        for batch in self._batch_sizes.sizes:
            self._runner.run_gradcam(batch)
        started_s = time.perf_counter()
        self._runner.run_gradcam(1)
        self.pass_s = time.perf_counter() - started_s
        self.set_pass_time(self.pass_s)

    def set_pass_time(self, pass_s: float) -> None:
        """Choose how many images a chunk has, where one image takes `pass_s`."""
        self._runner.set_pass_time(pass_s)

    def probabilities(
        self, pixels: NDArray[np.float32], *, checkpoint: Checkpoint = no_checkpoint
    ) -> NDArray[np.float64]:
        """Compute class probabilities from the network's input: (M, H, W, 3) → (M, classes).

        Calls `checkpoint` before each chunk. Raises `OutOfMemory`.
        """
        return self._runner.probabilities(pixels, checkpoint=checkpoint)

    def _check_targets(self, tasks: Sequence[ExplanationTask]) -> None:
        classes = self._classes
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


def _is_usable(explanation: ImageExplanation) -> bool:
    return any(target.verdict is Verdict.OK for target in explanation.targets)


def _fallback(task: ExplanationTask, position: int) -> ExplanationTask:
    method = task.options.fallback[position]
    return replace(task, options=task.options.model_copy(update={"method": method}))


def _merge(first: ImageExplanation, other: ImageExplanation) -> ImageExplanation:
    """Choose the fallback's explanation if it is usable, and record both methods as tried."""
    chosen = other if _is_usable(other) else first
    return replace(chosen, tried=first.tried + other.tried)
