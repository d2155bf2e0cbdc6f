"""From what a compiled step returns to the explanation of one picture."""

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.imaging.maps import map_verdict
from seewhy.schemas.result import ClassScore, TargetResult
from seewhy_worker.cam.methods import Method
from seewhy_worker.explain.types import ImageExplanation, PreparedImage
from seewhy_worker.keras_backend.steps import StepOutput
from seewhy_worker.keras_backend.target_tensors import PADDING
from seewhy_worker.models.splitting.split_model import SplitModel

TOP = 5


def read(
    raw: StepOutput,
    row: int,
    *,
    picture: PreparedImage,
    against: tuple[bool, ...],
    method: Method,
    spec: ModelSpec,
    parts: SplitModel,
) -> ImageExplanation:
    """Read one picture's row; `against` says of each of its targets whether the sign is turned."""
    logits = raw.logits[row]
    odds = probabilities(logits, parts.probability_function)

    def score(index: int) -> ClassScore:
        return ClassScore(
            index=index,
            label=spec.labels[index],
            logit=float(logits[index]),
            probability=float(odds[index]),
        )

    maps = raw.maps[row, : len(against)].copy()
    # A ReLU hides what is not finite in its input: its gradient everywhere, and on some processors
    # its output too, so that even the logits look well.
    well = np.isfinite(logits).all() and np.isfinite(picture.pixels).all()
    peaks = raw.gradient_peak[row] if well else np.full(len(maps), np.nan)
    results = tuple(
        TargetResult(
            score=score(int(raw.targets[row, place])),
            verdict=map_verdict(map_, gradient_peak=float(peaks[place])),
            minimum=float(map_.min()),
            maximum=float(map_.max()),
            rivals=tuple(score(int(r)) for r in raw.rivals[row, place] if r != PADDING),
            against=against[place],
        )
        for place, map_ in enumerate(maps)
    )
    best = np.argsort(-logits, kind="stable")[:TOP]
    return ImageExplanation(
        maps=maps,
        targets=results,
        top=tuple(score(int(index)) for index in best),
        covers=picture.covers,
        tried=(method.name,),
        method=method.name,
        layer=parts.layer if method.has_layer else "",
        linear=method.linear and len(parts.layers) == 1,
    )


def probabilities(logits: NDArray[np.float32], scoring: str) -> NDArray[np.float64]:
    """Turn logits (…, classes) into probabilities, by `softmax` or `sigmoid`."""
    exact = logits.astype(np.float64)
    if scoring == "sigmoid":
        # tanh does not overflow where exp would.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * exact))
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
