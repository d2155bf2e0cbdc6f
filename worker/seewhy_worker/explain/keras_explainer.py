"""The explainer: a resident model, compiled for fixed batch sizes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import OutOfMemory, UnknownClass, UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import MAX_RIVALS, MAX_TARGETS, Target, TargetOrIndex, as_target
from seewhy_worker.cam.methods import Method, find_method
from seewhy_worker.explain.postprocess import probabilities, read
from seewhy_worker.explain.step_cache import StepCache, StepSpec
from seewhy_worker.explain.trust_scores import with_faithfulness
from seewhy_worker.explain.types import ImageExplanation, PreparedImage
from seewhy_worker.keras_backend.steps import compile_forward, enable_memory_growth
from seewhy_worker.keras_backend.target_tensors import PADDING, TargetTensors
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import prepare, preprocess
from seewhy_worker.models.splitting.candidates import find_layer
from seewhy_worker.models.splitting.split_model import SplitModel, split

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
TARGET_COUNTS = (1, 5, MAX_TARGETS)
BATCH_TOLERANCE = 1e-4
"""How far a map's values may move with its batch, as a part of the map's largest magnitude."""


_Ask = tuple[PreparedImage, tuple[Target, ...], MethodOptions]
"""A picture, its targets and its recipe."""


def load_explainer(
    spec: ModelSpec, *, weights_path: Path | None, max_batch: int
) -> "KerasExplainer":
    """Build the model of `spec` from a file whose digest has been checked, ready to explain.

    `weights_path` is None for random weights. Raises `UnsupportedModel` (also when the catalogue's
    input size or labels do not fit the network) and `OutOfMemory`.
    """
    enable_memory_growth()
    model = load_model(spec, weights_path=weights_path)
    size = (spec.input.height_px, spec.input.width_px)

    def split_at(layers: tuple[str, ...] | str | None) -> SplitModel:
        return split(model, layers, output=spec.output, size=size)

    parts = split_at(spec.layer)
    for layer in spec.layers:
        find_layer(parts.candidates, layer)
    return KerasExplainer(spec=spec, parts=parts, max_batch=max_batch, elsewhere=split_at)


class KerasExplainer:
    """Explains pictures, many at a time. A map does not depend on what else is in its batch."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        parts: SplitModel,
        max_batch: int,
        elsewhere: Callable[[tuple[str, ...]], SplitModel] | None = None,
    ) -> None:
        """Explain at the layer of `parts`, and at others by what `elsewhere` makes of them."""
        _check_fit(spec, parts)
        limit = min(max_batch, spec.max_batch)
        self.spec = spec
        self.digest = spec.digest
        self.layer = parts.layer
        self.map_shape = parts.map_shape
        self._batch_sizes = tuple(size for size in BATCH_SIZES if size <= limit)
        self._parts = parts
        self._rows = self._batch_sizes[-1]
        self._forward = lru_cache(lambda batch: compile_forward(parts, batch=batch))
        black = np.zeros((spec.input.height_px, spec.input.width_px, 3), np.uint8)
        self._stock = StepCache(
            parts=parts, elsewhere=elsewhere, black=preprocess(black, spec.preprocessing)
        )

    def prepare(self, picture: NDArray[np.uint8]) -> PreparedImage:
        """Bring an RGB picture (H, W, 3) to the network's input. Safe from many threads."""
        pixels, covers = prepare(picture, self.spec)
        return PreparedImage(pixels=pixels, covers=covers)

    def explain(
        self,
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[TargetOrIndex, ...]],
        recipes: Sequence[MethodOptions] | None = None,
    ) -> list[ImageExplanation]:
        """Explain each picture's targets by its recipe, in order; one thread at a time.

        A target may be a class index, or -r for the r-th most probable class; 20 per picture at
        most. Without recipes, all are explained by Grad-CAM of the logit. A picture none of whose
        maps is `ok` is explained again by its fallbacks in turn; when none helps, the first
        stands. Raises `UnknownClass` for one the model does not have, `UnknownMethod`,
        `UnsupportedModel` for a layer or a method that it cannot be explained by, `OutOfMemory`.
        """
        recipes = [MethodOptions()] * len(prepared) if recipes is None else recipes
        if not len(prepared) == len(targets) == len(recipes):
            raise ValueError(
                f"{len(prepared)} pictures came with {len(targets)} lists of targets and "
                f"{len(recipes)} recipes"
            )
        wanted = [tuple(map(as_target, each)) for each in targets]
        self._check_targets(wanted)
        asks = list(zip(prepared, wanted, recipes, strict=True))
        explained = self._explain_all(asks, [recipe.method for recipe in recipes])
        for turn in range(max((len(recipe.fallback) for recipe in recipes), default=0)):
            places = [
                place
                for place, recipe in enumerate(recipes)
                if turn < len(recipe.fallback) and not _shows_something(explained[place])
            ]
            again = self._explain_all(
                [asks[place] for place in places],
                [recipes[place].fallback[turn] for place in places],
            )
            for place, other in zip(places, again, strict=True):
                explained[place] = _better(explained[place], other)
        return [
            with_faithfulness(one, picture.pixels, probabilities=self.probabilities)
            if recipe.trust
            else one
            for one, (picture, _, recipe) in zip(explained, asks, strict=True)
        ]

    def warm_up(self) -> None:
        """Compile and run every batch size for one target, by Grad-CAM of the logit.

        All else shares the weights, and is compiled when it is first asked for.
        """
        for batch in self._batch_sizes:
            pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
            step = self._stock.step(StepSpec("gradcam", "logit", (), batch, 1, 0, 1))
            step(pixels, _aims([(Target(index=-1),)] * batch, batch, 1, 0))

    def probabilities(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score pictures as the network takes them: (M, H, W, 3) → (M, classes).

        Raises `OutOfMemory`.
        """
        starts = range(0, len(pixels), self._rows)
        try:
            scored = [self._score(pixels[start : start + self._rows]) for start in starts]
        except OutOfMemory:
            if self._rows == 1:
                raise
            self._rows //= 2
            return self.probabilities(pixels)
        return np.concatenate(scored)

    def _score(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        batch = _at_least(len(pixels), self._batch_sizes)
        padded = np.zeros((batch, *self._parts.input_shape), np.float32)
        padded[: len(pixels)] = pixels
        return probabilities(
            self._forward(batch)(padded)[: len(pixels)], self._parts.probability_function
        )

    def _explain_all(self, asks: Sequence[_Ask], methods: Sequence[str]) -> list[ImageExplanation]:
        """Explain each by its method, those of one compiled step together."""
        groups: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        for place, ((_, _, recipe), name) in enumerate(zip(asks, methods, strict=True)):
            groups.setdefault((name, recipe.score, recipe.layers), []).append(place)
        explained: dict[int, ImageExplanation] = {}
        for (name, _, _), places in groups.items():
            method = find_method(name)
            largest = self._batch_sizes[-1] if method.in_one_pass else 1
            for start in range(0, len(places), largest):
                chunk = places[start : start + largest]
                made = self._explain_chunk([asks[place] for place in chunk], method)
                explained.update(zip(chunk, made, strict=True))
        return [explained[place] for place in range(len(asks))]

    def _explain_chunk(self, asks: Sequence[_Ask], method: Method) -> list[ImageExplanation]:
        """Explain what shares method, score and layers, in one step."""
        recipe = asks[0][2]
        batch = _at_least(len(asks), self._batch_sizes)
        wanted = [targets for _, targets, _ in asks]
        count = max(map(len, wanted))
        if method.in_one_pass:  # where another target costs next to nothing
            count = _at_least(count, TARGET_COUNTS)
        width = MAX_RIVALS if any(one.rivals for each in wanted for one in each) else 0
        pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
        pixels[: len(asks)] = [picture.pixels for picture, _, _ in asks]
        aims = _aims(wanted, batch, count, width)
        layers = recipe.layers if method.has_layer else ()
        rows = 1 if method.in_one_pass else self._rows
        order = StepSpec(method.name, recipe.score, layers, batch, count, width, rows)
        try:
            raw = self._stock.step(order)(pixels, aims)
        except OutOfMemory:
            if rows == 1:
                raise
            self._rows //= 2
            return self._explain_chunk(asks, method)
        return [
            read(
                raw,
                row,
                picture=picture,
                against=tuple(target.against for target in targets),
                method=method,
                spec=self.spec,
                parts=self._stock.parts(layers),
            )
            for row, (picture, targets, _) in enumerate(asks)
        ]

    def _check_targets(self, targets: Sequence[tuple[Target, ...]]) -> None:
        classes = self._parts.classes
        for wanted in targets:
            if len(wanted) > MAX_TARGETS:
                raise ValueError(f"{len(wanted)} targets; at most {MAX_TARGETS} go together")
            for index in (i for target in wanted for i in (target.index, *target.rivals)):
                if not -min(classes, MAX_TARGETS) <= index < classes:
                    raise UnknownClass(f"{self.spec.name} has {classes} classes, not {index}")


def _aims(
    targets: Sequence[tuple[Target, ...]], batch: int, count: int, rivals: int
) -> TargetTensors:
    """Fill the places up with the predicted class."""
    aims = TargetTensors(
        np.full((batch, count), -1, np.int32),
        np.full((batch, count, rivals), PADDING, np.int32),
        np.ones((batch, count), np.float32),
    )
    for row, wanted in enumerate(targets):
        for place, target in enumerate(wanted):
            aims.classes[row, place] = target.index
            aims.rivals[row, place, : len(target.rivals)] = target.rivals
            aims.signs[row, place] = -1 if target.against else 1
    return aims


def _check_fit(spec: ModelSpec, parts: SplitModel) -> None:
    expected = (spec.input.height_px, spec.input.width_px, 3)
    if parts.input_shape != expected:
        raise UnsupportedModel(
            f"{spec.name} takes pictures of {parts.input_shape}, not {expected}: correct `input` "
            "in the catalogue."
        )
    if parts.classes != len(spec.labels):
        raise UnsupportedModel(
            f"{spec.name} knows {parts.classes} classes, but {spec.labels_file} names "
            f"{len(spec.labels)}: correct `labels_file` in the catalogue."
        )


def _shows_something(explained: ImageExplanation) -> bool:
    return any(target.verdict is Verdict.OK for target in explained.targets)


def _better(first: ImageExplanation, other: ImageExplanation) -> ImageExplanation:
    chosen = other if _shows_something(other) else first
    return replace(chosen, tried=first.tried + other.tried)


def _at_least(number: int, sizes: Sequence[int]) -> int:
    return next(size for size in sizes if size >= number)
