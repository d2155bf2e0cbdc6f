"""The explainer: a resident model, compiled for fixed batch sizes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy import geometry
from seewhy.catalog import ModelSpec
from seewhy.errors import UnknownClass, UnsupportedModel
from seewhy.explanations import MAX_TARGETS, ClassScore, TargetResult
from seewhy.maps import verdict
from seewhy_worker.cam.methods import Method, find_method
from seewhy_worker.explained import Explained, Prepared
from seewhy_worker.gradients import Raw, Step, compile_step, use_memory_as_needed
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import preprocess
from seewhy_worker.models.splitting import Split, split

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
TARGET_COUNTS = (1, 5, MAX_TARGETS)
TOP = 5
BATCH_TOLERANCE = 1e-4
"""How far a map's values may move with its batch, as a part of the map's largest magnitude."""


def load_explainer(
    spec: ModelSpec, *, weights_path: Path | None, max_batch: int, method: str = "gradcam"
) -> "Explainer":
    """Build the model of `spec` from a file whose digest has been checked, ready to explain.

    `weights_path` is None for random weights. Raises `UnknownMethod`, `UnsupportedModel` (also
    when the catalogue's input size or labels do not fit the network) and `OutOfMemory`.
    """
    use_memory_as_needed()
    parts = split(load_model(spec, weights_path=weights_path), spec.layer)
    return Explainer(spec=spec, parts=parts, method=find_method(method), max_batch=max_batch)


class Explainer:
    """Explains pictures, many at a time. A map does not depend on what else is in its batch."""

    def __init__(self, *, spec: ModelSpec, parts: Split, method: Method, max_batch: int) -> None:
        _check_fit(spec, parts)
        limit = min(max_batch, spec.max_batch)
        self.spec = spec
        self.digest = spec.digest
        self.layer = parts.layer
        self.map_shape = parts.map_shape
        self.linear = method.linear
        self._batch_sizes = tuple(size for size in BATCH_SIZES if size <= limit)
        self._parts = parts
        self._method = method
        self._steps: dict[tuple[int, int], Step] = {}

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
        self, prepared: Sequence[Prepared], targets: Sequence[tuple[int, ...]]
    ) -> list[Explained]:
        """Explain each picture's targets, in order; one thread at a time.

        A target is a class index, or -r for the r-th most probable class; 20 per picture at most.
        Raises `UnknownClass` for one the model does not have, and `OutOfMemory`.
        """
        if len(prepared) != len(targets):
            raise ValueError(f"{len(prepared)} pictures came with {len(targets)} lists of targets")
        self._check_targets(targets)
        largest = self._batch_sizes[-1]
        explained: list[Explained] = []
        for start in range(0, len(prepared), largest):
            chunk = slice(start, start + largest)
            explained += self._explain_chunk(prepared[chunk], targets[chunk])
        return explained

    def warm_up(self) -> None:
        """Compile and run every batch size for one target.

        More targets share the body, and are compiled when they are first asked for.
        """
        for batch in self._batch_sizes:
            pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
            self._step(batch, 1)(pixels, np.full((batch, 1), -1, np.int32))

    def _explain_chunk(
        self, prepared: Sequence[Prepared], targets: Sequence[tuple[int, ...]]
    ) -> list[Explained]:
        batch = _at_least(len(prepared), self._batch_sizes)
        count = _at_least(max(len(wanted) for wanted in targets), TARGET_COUNTS)
        pixels = np.zeros((batch, *self._parts.input_shape), np.float32)
        padded = np.full((batch, count), -1, np.int32)
        for row, (picture, wanted) in enumerate(zip(prepared, targets, strict=True)):
            pixels[row] = picture.pixels
            padded[row, : len(wanted)] = wanted
        raw = self._step(batch, count)(pixels, padded)
        return [
            self._read(raw, row, len(wanted), picture)
            for row, (picture, wanted) in enumerate(zip(prepared, targets, strict=True))
        ]

    def _step(self, batch: int, count: int) -> Step:
        key = (batch, count)
        if key not in self._steps:
            self._steps[key] = compile_step(self._parts, self._method, batch=batch, targets=count)
        return self._steps[key]

    def _read(self, raw: Raw, row: int, count: int, picture: Prepared) -> Explained:
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
            )
            for place, map_ in enumerate(maps)
        )
        best = np.argsort(-logits, kind="stable")[:TOP]
        top = tuple(score(int(index)) for index in best)
        return Explained(maps=maps, targets=results, top=top, covers=picture.covers)

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


def _at_least(number: int, sizes: Sequence[int]) -> int:
    return next(size for size in sizes if size >= number)


def _probabilities(logits: NDArray[np.float32], scoring: str) -> NDArray[np.float64]:
    exact = logits.astype(np.float64)
    if scoring == "sigmoid":
        # tanh does not overflow where exp would.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * exact))
    powers = np.exp(exact - exact.max())
    return np.asarray(powers / powers.sum())
