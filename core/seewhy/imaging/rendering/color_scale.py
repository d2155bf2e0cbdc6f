"""How strong is full heat?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.maps import Polarity, evidence
from seewhy.schemas.methods import METHOD_INFO, Normalization
from seewhy.schemas.result import TargetResult

_OF_PIXELS = 0.99


def color_scale(
    maps: NDArray[Any],
    chosen: int,
    *,
    targets: Sequence[TargetResult],
    method: str,
    polarity: Polarity,
    normalize: Normalization = "image",
) -> float:
    """Return the value to draw as full heat on one of the maps `(targets, height, width)`.

    For an image it is the strongest evidence of all maps that may be compared with the chosen one,
    so that a weak class looks weak: plain classes have one scale, and contrasts and what speaks
    against a class, whose numbers are much smaller, another. A map of pixels has a few that outdo
    all others, so there it is what one pixel in a hundred exceeds. It is 0 where there is no
    evidence. For `none` it is 1; and a number is itself.
    """
    if normalize != "image":
        return 1.0 if normalize == "none" else normalize
    alike = [place for place, one in enumerate(targets) if _plain(one) == _plain(targets[chosen])]
    strengths = np.abs(evidence(maps[alike], polarity=polarity))
    if METHOD_INFO[method].pixel_level:
        return float(np.quantile(strengths, _OF_PIXELS))
    return float(strengths.max(initial=0.0))


def _plain(target: TargetResult) -> bool:
    return not (target.rivals or target.against)
