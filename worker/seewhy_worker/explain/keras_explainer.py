"""The explainer of a Keras model, compiled for fixed batch sizes."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import UnknownClass, UnsupportedModel
from seewhy.schemas.channels import channel_count
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import MAX_TARGETS
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.checkpoints.checkpoint import (
    Checkpoint,
    after_first,
    followed_by,
    no_checkpoint,
)
from seewhy_worker.explain.batch_sizes import BatchSizes
from seewhy_worker.explain.calibration_images import calibration_images
from seewhy_worker.explain.engine_choice import choose_engine
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.explain.method_runner import MethodRunner
from seewhy_worker.explain.references import embed_references
from seewhy_worker.explain.trust_scores import with_faithfulness
from seewhy_worker.explain.types import (
    ExplanationTask,
    ImageExplanation,
    InputItems,
    PreparedImage,
)
from seewhy_worker.keras_backend.devices import device_name, enable_memory_growth
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import prepare, to_network_input
from seewhy_worker.models.sizes import weight_bytes
from seewhy_worker.models.splitting.candidates import find_layer
from seewhy_worker.models.splitting.split_model import SplitModel, split

BATCH_TOLERANCE = 1e-4
"""How much a map may change with its batch, relative to the map's largest magnitude."""


def load_explainer(
    spec: ModelSpec,
    *,
    weights_path: Path | None,
    max_batch: int,
    memory_bytes: int = MODEL_MEMORY_BYTES,
    activation_cache_bytes: int = 0,
    engine: EngineChoice = "tensorflow",
) -> "KerasExplainer":
    """Load the model of `spec` from a file with a verified digest, which may take `memory_bytes`.

    `weights_path` is None for random weights. `engine` computes the activations, unless the catalog
    names another. Raises `UnsupportedModel`, also when the catalog's
    input size or labels do not match the network, and `OutOfMemory`.
    """
    enable_memory_growth()
    keras_model = load_model(spec, weights_path=weights_path, memory_bytes=memory_bytes)
    size = (spec.input.height_px, spec.input.width_px)
    model = split(
        keras_model,
        spec.layer,
        output=spec.output,
        outputs=spec.outputs,
        size=size,
        inputs=spec.inputs,
    )
    if spec.references:
        model = model.compared_with(embed_references(spec, model), spec.layer)
    for layer in spec.layers:
        find_layer(model.candidates, layer)
    explainer = KerasExplainer(
        spec=spec,
        model=model,
        max_batch=max_batch,
        activation_cache_bytes=activation_cache_bytes,
        memory_bytes=weight_bytes(keras_model),
    )
    explainer.choose_engine(engine)
    return explainer


class KerasExplainer:
    """Explains batches of images. A map does not depend on the other images of its batch."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        model: SplitModel,
        max_batch: int,
        activation_cache_bytes: int = 0,
        memory_bytes: int = 0,
    ) -> None:
        """Explain at the layer of `model`, or at the layers that a task names.

        The activations of images with a `cache_key` are kept, up to `activation_cache_bytes`.
        The weights take `memory_bytes`; who loads the model may add what else it takes.
        """
        _check_against_catalog(spec, model)
        self.spec = spec
        self.digest = spec.digest
        self.device = device_name()
        self.pass_s: float | None = None
        self.memory_bytes = memory_bytes
        self.layer = model.layer
        self.map_shape = model.map_shape
        self._model = model
        self._batch_sizes = BatchSizes.up_to(min(max_batch, spec.max_batch))
        black = np.zeros((spec.input.height_px, spec.input.width_px, 3), np.uint8)
        self._graphs = GraphCache(model=model, black=to_network_input(black, spec))
        self._runner = MethodRunner(
            spec=spec,
            graphs=self._graphs,
            batch_sizes=self._batch_sizes,
            activation_cache_bytes=activation_cache_bytes,
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
        groups: dict[InputItems, list[int]] = {}
        for index, task in enumerate(tasks):
            groups.setdefault(task.image.inputs, []).append(index)
        found: dict[int, ImageExplanation] = {}
        for inputs, indices in groups.items():
            set_inputs = partial(
                self._model.network.set_inputs, {**self.spec.inputs, **dict(inputs)}
            )
            set_inputs()
            # At a checkpoint, other explanations may run, which set inputs of their own.
            group = [tasks[index] for index in indices]
            explained = self._explain_group(group, followed_by(checkpoint, set_inputs))
            found.update(zip(indices, explained, strict=True))
        return [found[index] for index in range(len(tasks))]

    def _explain_group(
        self, tasks: Sequence[ExplanationTask], checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        """Explain tasks whose inputs beside the image are equal, and set."""
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
        return self._graphs.engine

    def choose_engine(self, default: EngineChoice) -> None:
        """Let the engine of the catalog entry compute the activations, or else `default`.

        Raises `UnsupportedModel` when it cannot compute the network here, and `OutOfMemory`.
        """
        choice = default if self.spec.engine == "auto" else self.spec.engine
        if choice == "auto" and self.spec.precision != "float32":
            choice = "tensorflow"
        images = (prepare(image, self.spec)[0] for image in calibration_images(self.spec))
        self._graphs.use(choose_engine(choice, self._graphs, name=self.spec.name, images=images))

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
    channels = channel_count(spec.channels)
    if model.input_shape[2] != channels:
        raise UnsupportedModel(
            f"{spec.name} takes RGB images, but the catalog names one channel: remove `channels`."
            if channels == 1
            else f"{spec.name} takes images of one channel, but the catalog says RGB: add "
            '`channels = "luma"` to the catalog, or the weights of red, green and blue.'
        )
    expected = (spec.input.height_px, spec.input.width_px, channels)
    if model.input_shape != expected:
        raise UnsupportedModel(
            f"{spec.name} takes images of shape {model.input_shape}, but the catalog says "
            f"{expected}: correct `input` in the catalog."
        )
    if model.classes != len(spec.labels):
        noun = "outputs" if spec.scores == "values" else "classes"
        listed = f"{spec.labels_file} lists" if spec.labels_file else "the catalog names"
        raise UnsupportedModel(
            f"{spec.name} has {model.classes} {noun}, but {listed} {len(spec.labels)}: correct "
            "`labels_file` in the catalog."
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
