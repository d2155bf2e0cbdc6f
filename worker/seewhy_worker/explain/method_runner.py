"""Runs methods on batches: each body once, then a head for each method."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import OutOfMemory
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.targets import MAX_RIVALS, MAX_TARGETS, Target
from seewhy_worker.cam.methods import Method, find_method
from seewhy_worker.checkpoints.checkpoint import CALL_S, Checkpoint, after_first, no_checkpoint
from seewhy_worker.explain.activations import Activations, KnownActivation, Layers
from seewhy_worker.explain.batch_sizes import BatchSizes
from seewhy_worker.explain.postprocess import build_explanation, probabilities
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.ports.graphs import Graphs
from seewhy_worker.ports.heads import HeadSpec
from seewhy_worker.ports.targets import TargetTensors

TARGET_COUNTS = (1, 5, MAX_TARGETS)
"""Targets per image that heads of one pass are compiled for; shorter lists are padded."""
MAX_PASSES = 100
"""Estimated forward passes of one head of several images: no checkpoint interrupts a head."""

Key = TypeVar("Key", bound=Hashable)


class MethodRunner:
    """Runs one method per task. Not thread-safe."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        graphs: Graphs,
        batch_sizes: BatchSizes,
        activation_cache_bytes: int,
    ) -> None:
        """Run compiled `graphs` of the model of `spec`."""
        self._spec = spec
        self._graphs = graphs
        self._batch_sizes = batch_sizes
        self._activations = Activations(
            graphs=graphs, batch_sizes=batch_sizes, cache_bytes=activation_cache_bytes
        )
        self._pass_s = 0.0
        self._chunk_size = batch_sizes.largest
        """Images that a multi-pass method sends through the network together."""

    def set_pass_time(self, pass_s: float) -> None:
        """Choose how many images a chunk has, where one image takes `pass_s`.

        A chunk takes `CALL_S`, or longer if one image does, and so does a head at a chosen layer.
        """
        self._pass_s = pass_s
        self._chunk_size = self._batch_sizes.largest_within(CALL_S, each=pass_s)

    def run_gradcam(self, batch: int) -> None:
        """Run Grad-CAM of one target on black images; compile it on the first call."""
        shape = self._graphs.model_at(()).input_shape
        score: ScoreKind = "value" if self._spec.outputs == "values" else "logit"
        pixels = np.zeros((batch, *shape), np.float32)
        head = self._graphs.head(HeadSpec("gradcam", score, (), batch, 1, 0, 1))
        targets = TargetTensors.pad([(Target(index=-1),)] * batch, batch, 1, 0)
        (cut,) = self._graphs.body([()], batch)(pixels).values()
        head(cut, pixels, targets)

    def run(
        self, tasks: Sequence[ExplanationTask], checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        """Explain each task with its method, in order, with a checkpoint between passes.

        Tasks that share a compiled head run together. Raises `OutOfMemory`, `UnknownMethod` and
        `UnsupportedModel`.
        """
        explanations: dict[int, ImageExplanation] = {}
        for splits, indices in _group(range(len(tasks)), _splits_of_images(tasks)):
            for chunk in self._divide_by_images(tasks, indices):
                checkpoint()
                later = after_first(checkpoint)
                found = self._activations.of([tasks[index].image for index in chunk], splits)
                activations = dict(zip(chunk, found, strict=True))
                for layers, ours in _group(chunk, [_layers(tasks[index]) for index in chunk]):
                    at_layers = {index: activations[index][layers] for index in ours}
                    self._run_heads(tasks, at_layers, layers, later, explanations)
        return [explanations[index] for index in range(len(tasks))]

    def _divide_by_images(
        self, tasks: Sequence[ExplanationTask], indices: Sequence[int]
    ) -> Iterable[Sequence[int]]:
        """Yield the indices of tasks whose different images fit into one batch, in order."""
        keys = dict.fromkeys(tasks[index].image.key for index in indices)
        batches = {key: row // self._batch_sizes.largest for row, key in enumerate(keys)}
        batch_of = [batches[tasks[index].image.key] for index in indices]
        return (chunk for _, chunk in _group(indices, batch_of))

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
        except OutOfMemory as error:
            self._use_less_memory(error, chunked=True)
            return self.probabilities(pixels, checkpoint=checkpoint)
        return np.concatenate(found)

    def _probabilities(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        padded = np.zeros((self._batch_sizes.round_up(len(pixels)), *pixels.shape[1:]), np.float32)
        padded[: len(pixels)] = pixels
        logits = self._graphs.forward(len(padded))(padded)[: len(pixels)]
        return probabilities(logits, self._graphs.model_at(()).probability_function)

    def _run_heads(
        self,
        tasks: Sequence[ExplanationTask],
        activations: dict[int, KnownActivation],
        layers: Layers,
        checkpoint: Checkpoint,
        explanations: dict[int, ImageExplanation],
    ) -> None:
        """Explain the tasks whose activations are given, by index."""
        keys = [(tasks[index].options.method, tasks[index].options.score) for index in activations]
        for (name, _), indices in _group(activations, keys):
            method = find_method(name)
            most = max(len(tasks[index].targets) for index in indices)
            images, targets = self._size_of_head(method, layers, most)
            for chunk in _divide(indices, images):
                parts = []
                for start in range(0, max(len(tasks[i].targets) for i in chunk), targets):
                    checkpoint()
                    stop = start + targets
                    part = [
                        replace(tasks[index], targets=tasks[index].targets[start:stop])
                        for index in chunk
                    ]
                    shared = [activations[index] for index in chunk]
                    parts.append(self._run_head(part, shared, method, layers, checkpoint))
                found = (_join(parts_of_one) for parts_of_one in zip(*parts, strict=True))
                explanations.update(zip(chunk, found, strict=True))

    def _size_of_head(self, method: Method, layers: Layers, targets: int) -> tuple[int, int]:
        """Return how many images and targets a head explains at once.

        No checkpoint interrupts a head. At a chosen layer, nearly the whole network may repeat for
        each target, so there a head of a slow device explains a few targets of one image.
        """
        if not method.single_pass:
            return 1, targets
        options = MethodOptions(method=method.name, layers=layers)
        limit = min(MAX_PASSES, CALL_S / self._pass_s) if layers and self._pass_s else MAX_PASSES
        passes = forward_passes(options, targets=targets)
        images = self._batch_sizes.largest_within(limit, each=passes)
        if passes <= limit:
            return images, targets
        return 1, max(
            n for n in TARGET_COUNTS if n == 1 or forward_passes(options, targets=n) <= limit
        )

    def _run_head(
        self,
        tasks: Sequence[ExplanationTask],
        activations: Sequence[KnownActivation],
        method: Method,
        layers: Layers,
        checkpoint: Checkpoint,
    ) -> list[ImageExplanation]:
        """Run one head for tasks that share method, score and layers."""
        targets = [task.targets for task in tasks]
        batch = self._batch_sizes.round_up(len(tasks))
        count = max(map(len, targets))
        if method.single_pass:  # an extra target costs next to nothing
            count = next(size for size in TARGET_COUNTS if size >= count)
        rivals = MAX_RIVALS if any(target.rivals for each in targets for target in each) else 0
        pixels = np.zeros((batch, *tasks[0].image.pixels.shape), np.float32)
        pixels[: len(tasks)] = [task.image.pixels for task in tasks]
        chunk_size = 1 if method.single_pass else self._chunk_size
        spec = HeadSpec(
            method.name,
            tasks[0].options.score,
            layers,
            batch,
            count,
            rivals,
            chunk_size,
            rescored=not tasks[0].image.scoring.is_default,
        )
        try:
            head = self._graphs.head(spec)
            output = head(
                self._graphs.stack([one for one, _ in activations], batch),
                pixels,
                TargetTensors.pad(targets, batch, count, rivals),
                checkpoint,
            )
        except OutOfMemory as error:
            self._use_less_memory(error, chunked=not method.single_pass)
            return self._run_head(tasks, activations, method, layers, checkpoint)
        model, others = self._graphs.model_at(layers), self._graphs.head_engines(spec)
        build = partial(build_explanation, method=method, spec=self._spec, model=model)
        return [
            replace(
                build(output, row, task, body),
                engines=tuple(dict.fromkeys((activation.engine, *others))),
            )
            for row, (task, (activation, body)) in enumerate(zip(tasks, activations, strict=True))
        ]

    def _use_less_memory(self, error: OutOfMemory, *, chunked: bool) -> None:
        """Free the kept activations, or halve the chunks. Raises `error` if neither is possible."""
        if self._activations.clear():
            return
        if not chunked or self._chunk_size == 1:
            raise error
        self._chunk_size //= 2


def _join(parts: Sequence[ImageExplanation]) -> ImageExplanation:
    """Join explanations of one image whose targets follow each other."""
    return replace(
        parts[0],
        maps=np.concatenate([part.maps for part in parts]),
        targets=tuple(target for part in parts for target in part.targets),
    )


def _layers(task: ExplanationTask) -> Layers:
    """Return the layers to split at; empty for the model's target layer."""
    # The order that a request names fused layers in means nothing, and each order costs graphs.
    layers = tuple(sorted(task.options.layers))
    return layers if find_method(task.options.method).has_layer else ()


def _splits_of_images(tasks: Sequence[ExplanationTask]) -> list[tuple[Layers, ...]]:
    """Return for each task where to split for it and for the others of its job's image.

    Images of other jobs count as different: which jobs run together is chance, and each combination
    of layers is compiled.
    """
    splits: dict[int, set[Layers]] = {}
    for task in tasks:
        splits.setdefault(id(task.image), set()).add(_layers(task))
    return [tuple(sorted(splits[id(task.image)])) for task in tasks]


def _group(indices: Iterable[int], keys: Iterable[Key]) -> Iterable[tuple[Key, list[int]]]:
    """Return the indices of each key, in order of first appearance."""
    groups: dict[Key, list[int]] = {}
    for index, key in zip(indices, keys, strict=True):
        groups.setdefault(key, []).append(index)
    return groups.items()


def _divide(indices: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (indices[start : start + size] for start in range(0, len(indices), size))
