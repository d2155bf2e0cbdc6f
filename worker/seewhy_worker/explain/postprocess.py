"""Conversion of a head's output to the explanation of one image."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.imaging.maps import map_verdict
from seewhy.schemas.installed_methods import known_methods
from seewhy.schemas.labels import Labels
from seewhy.schemas.reference import REFERENCE_LABELS
from seewhy.schemas.result import BodyKind, ClassScore, TargetResult
from seewhy_worker.cam.methods import Method
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.ports.heads import HeadOutput
from seewhy_worker.ports.model_facts import ModelFacts
from seewhy_worker.ports.targets import PADDING

TOP_CLASSES = 5


def build_explanation(
    output: HeadOutput,
    row: int,
    task: ExplanationTask,
    body: BodyKind,
    *,
    method: Method,
    spec: ModelSpec,
    model: ModelFacts,
) -> ImageExplanation:
    """Build the explanation of `task` from one row of a head's output."""
    logits = output.logits[row]
    class_probabilities = None
    if model.probability_function != "none":
        class_probabilities = probabilities(logits, model.probability_function)
    labels = spec.labels if task.image.scoring.reference is None else REFERENCE_LABELS
    score = partial(
        _score, logits=logits, probabilities=class_probabilities, labels=labels, spec=spec
    )
    maps = output.maps[row, : len(task.targets)].copy()
    # A ReLU hides a non-finite input: its gradient is finite everywhere, and on some processors
    # its output is too, so that even the logits look valid.
    finite = np.isfinite(logits).all() and np.isfinite(task.image.pixels).all()
    peaks = output.gradient_peak[row] if finite else np.full(len(maps), np.nan)
    results = tuple(
        TargetResult(
            score=score(int(output.targets[row, column])),
            verdict=map_verdict(map_, gradient_peak=float(peaks[column])),
            minimum=float(map_.min()),
            maximum=float(map_.max()),
            rivals=tuple(score(int(r)) for r in output.rivals[row, column] if r != PADDING),
            against=task.targets[column].against,
        )
        for column, map_ in enumerate(maps)
    )
    # Values are not ranked: each has a unit of its own.
    ranked = (
        np.arange(len(logits)) if spec.scores == "values" else np.argsort(-logits, kind="stable")
    )
    best = ranked[:TOP_CLASSES]
    field = None if known_methods()[method.name].pixel_level else model.receptive_field
    return ImageExplanation(
        maps=maps,
        targets=results,
        top=tuple(score(int(index)) for index in best),
        covers=task.image.covers,
        channels=spec.channels,
        tried=(method.name,),
        method=method.name,
        layer=model.layer if method.has_layer else "",
        linear=method.linear and len(model.layers) == 1,
        body=body,
        stride_px=field.stride_px if field else None,
        receptive_field_px=field.field_px if field else None,
    )


def _score(
    index: int,
    *,
    logits: NDArray[np.float32],
    probabilities: NDArray[np.float64] | None,
    labels: Labels,
    spec: ModelSpec,
) -> ClassScore:
    number, label = float(logits[index]), labels[index]
    if spec.outputs == "values":
        return ClassScore(index=index, label=label, logit=None, probability=None, value=number)
    probability = None if probabilities is None else float(probabilities[index])
    return ClassScore(index=index, label=label, logit=number, probability=probability)


def probabilities(logits: NDArray[np.float32], scoring: str) -> NDArray[np.float64]:
    """Turn logits (…, classes) into probabilities by `scoring`, a `ProbabilityFunction`.

    With `none`, which is that of values, they stay as they are.
    """
    exact = logits.astype(np.float64)
    if scoring == "none":
        return exact
    if scoring == "sigmoid":
        # tanh does not overflow where exp would.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * exact))
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
