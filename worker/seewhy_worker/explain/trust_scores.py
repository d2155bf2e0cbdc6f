"""Putting an explanation to the test: which of its maps, by which class, and against which box."""

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
    explained: ImageExplanation,
    pixels: Pixels,
    *,
    probabilities: Callable[[Pixels], NDArray[np.float64]],
) -> ImageExplanation:
    """Judge each map by its class's probability, on the network's own input (H, W, 3).

    A contrast is judged by the class that it speaks for. What speaks against a class is not to be
    had by showing more of it, so such maps are left without.
    """
    places = [place for place, target in enumerate(explained.targets) if not target.against]
    scores = [explained.targets[place].score for place in places]
    known = [np.nan if score.probability is None else score.probability for score in scores]
    trusts = faithfulness(
        pixels,
        explained.maps[places],
        [score.index for score in scores],
        whole=known,
        probabilities=probabilities,
    )
    found = dict(zip(places, trusts, strict=True))
    return replace(
        explained,
        targets=tuple(
            target.model_copy(update={"trust": found.get(place)})
            for place, target in enumerate(explained.targets)
        ),
    )


def with_localization(explained: ImageExplanation, box: Box) -> ImageExplanation:
    """Say of each map how well it lies in a box, in pixels of the upright original."""
    return replace(
        explained,
        targets=tuple(
            target.model_copy(
                update={
                    "trust": (target.trust or TrustScores()).model_copy(
                        update={
                            "pointing_hit": pointing_hit(map_, covers=explained.covers, box=box),
                            "energy_in_box": energy_in_box(map_, covers=explained.covers, box=box),
                        }
                    )
                }
            )
            for target, map_ in zip(explained.targets, explained.maps, strict=True)
        ),
    )
