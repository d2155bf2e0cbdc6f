"""The explainer: a resident model, compiled for fixed batch sizes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy import geometry
from seewhy.catalog import ModelSpec
from seewhy.errors import UnknownClass, UnsupportedModel
from seewhy.explanations import (
    MAX_RIVALS,
    MAX_TARGETS,
    ClassScore,
    Recipe,
    Score,
    TargetResult,
    Verdict,
)
from seewhy.maps import verdict
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explained import Explained, Prepared
from seewhy_worker.gradients import NOBODY, Raw, Step, compile_step, use_memory_as_needed
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import preprocess
from seewhy_worker.models.splitting import Split, split

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
TARGET_COUNTS = (1, 5, MAX_TARGETS)
TOP = 5
BATCH_TOLERANCE = 1e-4
"""How far a map's values may move with its batch, as a part of the map's largest magnitude."""


_Ask = tuple[Prepared, tuple[int, ...], Recipe]
"""A picture, its targets and its recipe."""


def load_explainer(spec: ModelSpec, *, weights_path: Path | None, max_batch: int) -> "Explainer":
    """Build the model of `spec` from a file whose digest has been checked, ready to explain.

    `weights_path` is None for random weights. Raises `UnsupportedModel` (also when the catalogue's
    input size or labels do not fit the network) and `OutOfMemory`.
    """
    use_memory_as_needed()
    parts = split(
        load_model(spec, weights_path=weights_path),
        spec.layer,
        output=spec.output,
        size=(spec.input.height_px, spec.input.width_px),
    )
    return Explainer(spec=spec, parts=parts, max_batch=max_batch)


class Explainer:
    """Explains pictures, many at a time. A map does not depend on what else is in its batch."""

    def __init__(self, *, spec: ModelSpec, parts: Split, max_batch: int) -> None:
        _check_fit(spec, parts)
        limit = min(max_batch, spec.max_batch)
        self.spec = spec
        self.digest = spec.digest
        self.layer = parts.layer
        self.map_shape = parts.map_shape
        self._batch_sizes = tuple(size for size in BATCH_SIZES if size <= limit)
        self._parts = parts
        self._steps: dict[tuple[str, Score, int, int, int], Step] = {}

    def prepare(self, picture: NDArray[np.uint8]) -> Prepared:
        """Bring an RGB picture (H, W, 3) to the network's input. Safe from many threads."""
        height_px, width_px, _ = picture.shape
        spec = self.spec
        covers = geometry.covered(
            width_px, height_px, rule=spec.geometry.rule, fraction=spec.geometry.fraction
        )
        fitted = geometry.fit(
            picture,
            covers,
            height_px=spec.input.height_px,
            width_px=spec.input.width_px,
            interpolation=spec.interpolation,
        )
        return Prepared(pixels=preprocess(fitted, spec.preprocessing), covers=covers)

    def explain(
        self,
        prepared: Sequence[Prepared],
        targets: Sequence[tuple[int, ...]],
        recipes: Sequence[Recipe] | None = None,
    ) -> list[Explained]:
        """Explain each picture's targets by its recipe, in order; one thread at a time.

        A target is a class index, or -r for the r-th most probable class; 20 per picture at most.
        Without recipes, all are explained by Grad-CAM of the logit. A picture none of whose maps
        is `ok` is explained again by its fallbacks in turn; when none helps, the first stands.
        Raises `UnknownClass` for one the model does not have, `UnknownMethod` and `OutOfMemory`.
        """
        recipes = [Recipe()] * len(prepared) if recipes is None else recipes
        if not len(prepared) == len(targets) == len(recipes):
            raise ValueError(
                f"{len(prepared)} pictures came with {len(targets)} lists of targets and "
                f"{len(recipes)} recipes"
            )
        self._check_targets(targets)
        self._check_targets([recipe.rivals for recipe in recipes])
        asks = list(zip(prepared, targets, recipes, strict=True))
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
        return explained

    def warm_up(self) -> None:
        """Compile and run every batch size for one target, by Grad-CAM of the logit.

        All else shares the weights, and is compiled when it is first asked for.
        """
        nobody = np.zeros((max(self._batch_sizes), 0), np.int32)
        for batch in self._batch_sizes:
            pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
            step = self._step("gradcam", "logit", batch, 1, 0)
            step(pixels, np.full((batch, 1), -1, np.int32), nobody[:batch])

    def _explain_all(self, asks: Sequence[_Ask], methods: Sequence[str]) -> list[Explained]:
        """Explain each by its method, those of one compiled step together."""
        groups: dict[tuple[str, Score], list[int]] = {}
        for place, ((_, _, recipe), method) in enumerate(zip(asks, methods, strict=True)):
            groups.setdefault((method, recipe.score), []).append(place)
        largest = self._batch_sizes[-1]
        explained: dict[int, Explained] = {}
        for (method, score), places in groups.items():
            for start in range(0, len(places), largest):
                chunk = places[start : start + largest]
                made = self._explain_chunk([asks[place] for place in chunk], method, score)
                explained.update(zip(chunk, made, strict=True))
        return [explained[place] for place in range(len(asks))]

    def _explain_chunk(self, asks: Sequence[_Ask], method: str, score: Score) -> list[Explained]:
        batch = _at_least(len(asks), self._batch_sizes)
        count = _at_least(max(len(targets) for _, targets, _ in asks), TARGET_COUNTS)
        width = MAX_RIVALS if any(recipe.rivals for _, _, recipe in asks) else 0
        pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
        wanted = np.full((batch, count), -1, np.int32)
        rivals = np.full((batch, width), NOBODY, np.int32)
        for row, (picture, targets, recipe) in enumerate(asks):
            pixels[row] = picture.pixels
            wanted[row, : len(targets)] = targets
            rivals[row, : len(recipe.rivals)] = recipe.rivals
        raw = self._step(method, score, batch, count, width)(pixels, wanted, rivals)
        return [
            self._read(raw, row, len(targets), picture, method)
            for row, (picture, targets, _) in enumerate(asks)
        ]

    def _step(self, method: str, score: Score, batch: int, count: int, rivals: int) -> Step:
        key = (method, score, batch, count, rivals)
        if key not in self._steps:
            self._steps[key] = compile_step(
                self._parts,
                find_method(method),
                score=score,
                batch=batch,
                targets=count,
                rivals=rivals,
            )
        return self._steps[key]

    def _read(self, raw: Raw, row: int, count: int, picture: Prepared, method: str) -> Explained:
        logits = raw.logits[row]
        probabilities = _probabilities(logits, self._parts.scoring)

        def score(index: int) -> ClassScore:
            return ClassScore(
                index=index,
                label=self.spec.labels[index],
                logit=float(logits[index]),
                probability=float(probabilities[index]),
            )

        maps = raw.maps[row, :count].copy()
        results = tuple(
            TargetResult(
                score=score(int(raw.targets[row, place])),
                verdict=verdict(map_, gradient_peak=float(raw.gradient_peak[row, place])),
                minimum=float(map_.min()),
                maximum=float(map_.max()),
                rivals=tuple(score(int(r)) for r in raw.rivals[row, place] if r != NOBODY),
            )
            for place, map_ in enumerate(maps)
        )
        best = np.argsort(-logits, kind="stable")[:TOP]
        top = tuple(score(int(index)) for index in best)
        return Explained(
            maps=maps,
            targets=results,
            top=top,
            covers=picture.covers,
            tried=(method,),
            method=method,
            linear=find_method(method).linear,
        )

    def _check_targets(self, targets: Sequence[tuple[int, ...]]) -> None:
        classes = self._parts.classes
        for wanted in targets:
            if len(wanted) > MAX_TARGETS:
                raise ValueError(f"{len(wanted)} targets; at most {MAX_TARGETS} go together")
            for target in wanted:
                if not -min(classes, MAX_TARGETS) <= target < classes:
                    raise UnknownClass(f"{self.spec.name} has {classes} classes, not {target}")


def _check_fit(spec: ModelSpec, parts: Split) -> None:
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


def _shows_something(explained: Explained) -> bool:
    return any(target.verdict is Verdict.OK for target in explained.targets)


def _better(first: Explained, other: Explained) -> Explained:
    chosen = other if _shows_something(other) else first
    return replace(chosen, tried=first.tried + other.tried)


def _at_least(number: int, sizes: Sequence[int]) -> int:
    return next(size for size in sizes if size >= number)


def _probabilities(logits: NDArray[np.float32], scoring: str) -> NDArray[np.float64]:
    exact = logits.astype(np.float64)
    if scoring == "sigmoid":
        # tanh does not overflow where exp would.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * exact))
    powers = np.exp(exact - exact.max())
    return np.asarray(powers / powers.sum())
