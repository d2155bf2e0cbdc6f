"""Measure engines: their times and maps in comparison with those of TensorFlow."""

import logging
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.targets import Target
from seewhy_worker.explain.engines import EngineBody
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.keras_backend.devices import wait_until_computed
from seewhy_worker.ports.failures import EngineFailed
from seewhy_worker.ports.heads import Head, HeadOutput, HeadSpec
from seewhy_worker.ports.targets import TargetTensors

_log = logging.getLogger(__name__)

MEASURING_S = 1.5
"""After this time no further image is measured."""
LEAST_IMAGES = 3
"""Images that are measured however long they take."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An engine in comparison with TensorFlow in float32 on the same images."""

    choice: EngineChoice
    time_ratio: float
    """The median of its times for a body, each by TensorFlow's for the same images."""
    correlation: float
    """The worst Pearson correlation of two Grad-CAM maps of one image."""
    same_classes: bool
    """Whether each image has the same first class."""


class _Run(NamedTuple):
    time_s: float
    """That of the body."""
    output: HeadOutput


def measure(
    bodies: Mapping[EngineChoice, EngineBody],
    graphs: GraphCache,
    images: Iterable[NDArray[np.float32]],
    *,
    batch: int = 1,
    name: str = "the model",
) -> list[Measured]:
    """Compare bodies for `batch` images with that of TensorFlow, which is the first of them.

    A batch is one of `images`, pixels (H, W, 3), repeated. The engines take turns, so that a busy
    machine slows all of them. One that fails, or that gives numbers that are not finite, is left
    out. Raises `OutOfMemory` when TensorFlow does.
    """
    runs: dict[EngineChoice, list[_Run]] = {choice: [] for choice in bodies}
    head = graphs.head(HeadSpec("gradcam", "logit", (), batch, 1, 0, 1))
    end_s = 0.0
    for count, image in enumerate(images):
        if count > LEAST_IMAGES and time.perf_counter() > end_s:
            break
        pixels = np.repeat(image[np.newaxis], batch, axis=0)
        must_be_finite = False
        for choice in tuple(runs):
            try:
                run = _run(bodies[choice], head, pixels, must_be_finite=must_be_finite)
            except (EngineFailed, OutOfMemory) as error:
                if choice == "tensorflow":
                    raise
                _log.info("%s is not computed by %s: %s", name, choice, error)
                del runs[choice]
                continue
            if choice == "tensorflow":
                must_be_finite = _is_finite(run.output)
            if count > 0:
                runs[choice].append(run)
        if count == 0:  # the first runs of a graph are slower
            end_s = time.perf_counter() + MEASURING_S
    reference = runs.pop("tensorflow")
    return [_compare(choice, own, reference) for choice, own in runs.items()]


def over_batches(found: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Combine the measurements of several batch sizes, for the engines that all of them have."""
    by_choice: dict[EngineChoice, list[Measured]] = {}
    for each in (each for measured in found for each in measured):
        by_choice.setdefault(each.choice, []).append(each)
    return [
        Measured(
            choice,
            time_ratio=statistics.geometric_mean(each.time_ratio for each in own),
            correlation=min(each.correlation for each in own),
            same_classes=all(each.same_classes for each in own),
        )
        for choice, own in by_choice.items()
        if len(own) == len(found)
    ]


def _run(
    body: EngineBody, head: Head, pixels: NDArray[np.float32], *, must_be_finite: bool
) -> _Run:
    targets = TargetTensors.pad([(Target(index=-1),)] * len(pixels), len(pixels), 1, 0)
    started_s = time.perf_counter()
    (cut,) = body(pixels).values()
    wait_until_computed()
    elapsed_s = time.perf_counter() - started_s
    output = head(cut, pixels, targets)
    if must_be_finite and not _is_finite(output):
        raise EngineFailed("its numbers are not finite")
    return _Run(elapsed_s, output)


def _is_finite(output: HeadOutput) -> bool:
    return bool(np.isfinite(output.maps).all() and np.isfinite(output.logits).all())


def _compare(choice: EngineChoice, own: Sequence[_Run], reference: Sequence[_Run]) -> Measured:
    pairs = list(zip(own, reference, strict=True))
    return Measured(
        choice,
        time_ratio=statistics.median(one.time_s / other.time_s for one, other in pairs),
        correlation=min(_correlation(one.output.maps, other.output.maps) for one, other in pairs),
        same_classes=all(
            np.array_equal(one.output.targets, other.output.targets) for one, other in pairs
        ),
    )


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the Pearson correlation of two maps; -1 if only one of them has an extent."""
    first, second = (each.astype(np.float64).ravel() for each in (one, other))
    if np.array_equal(first, second, equal_nan=True):
        return 1.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm > 0 and np.isfinite(norm) else -1.0
