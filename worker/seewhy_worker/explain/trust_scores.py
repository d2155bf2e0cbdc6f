"""Trust scores of an explanation: faithfulness and localization of each of its maps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.pointing import energy_in_box, pointing_hit
from seewhy.schemas.geometry import Box
from seewhy.schemas.trust_scores import TrustScores
from seewhy_worker.explain.faithfulness import Pixels, faithfulness
from seewhy_worker.explain.types import ImageExplanation


def with_faithfulness(
    explanation: ImageExplanation,
    pixels: Pixels,
    *,
    probabilities: Callable[[Pixels], NDArray[np.float64]],
) -> ImageExplanation:
    """Add faithfulness scores to each map, measured on the network's input (H, W, 3).

    A contrast is scored by the probability of its own class. A map of the evidence against a class
    has no faithfulness scores: showing more of that evidence cannot raise the probability.
    """
    columns = [i for i, target in enumerate(explanation.targets) if not target.against]
    scores = [explanation.targets[column].score for column in columns]
    trust = faithfulness(
        pixels,
        explanation.maps[columns],
        [score.index for score in scores],
        baseline=[np.nan if s.probability is None else s.probability for s in scores],
        probabilities=probabilities,
    )
    by_column = dict(zip(columns, trust, strict=True))
    return replace(
        explanation,
        targets=tuple(
            target.model_copy(update={"trust": by_column.get(column)})
            for column, target in enumerate(explanation.targets)
        ),
    )


def with_localization(explanation: ImageExplanation, box: Box) -> ImageExplanation:
    """Add to each map how well it points at a box, in pixels of the upright original."""
    covers = explanation.covers
    targets = []
    for target, map_ in zip(explanation.targets, explanation.maps, strict=True):
        localization = {
            "pointing_hit": pointing_hit(map_, covers=covers, box=box),
            "energy_in_box": energy_in_box(map_, covers=covers, box=box),
        }
        trust = (target.trust or TrustScores()).model_copy(update=localization)
        targets.append(target.model_copy(update={"trust": trust}))
    return replace(explanation, targets=tuple(targets))
