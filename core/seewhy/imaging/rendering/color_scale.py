"""The color scale: the evidence that the strongest color of a heatmap stands for."""

from collections.abc import Sequence

import numpy as np

from seewhy.imaging.arrays import AnyMapArray
from seewhy.imaging.maps import Polarity, evidence
from seewhy.schemas.methods import METHOD_INFO, Normalization
from seewhy.schemas.result import TargetResult

PIXEL_LEVEL_QUANTILE = 0.99
"""1 % of the pixels of a pixel-level map exceed its color scale."""


def color_scale(
    maps: AnyMapArray,
    chosen: int,
    *,
    targets: Sequence[TargetResult],
    method: str,
    polarity: Polarity,
    normalize: Normalization = "image",
) -> float:
    """Return the evidence drawn with the strongest color on one of the maps `(targets, h, w)`.

    For `image` it is the strongest evidence of all comparable maps, so that a weak class looks
    weak. Plain classes share one scale; contrasts and counter-evidence, which have much smaller
    values, share another. Pixel-level maps have a few outliers, so their scale is the value that
    1 % of the pixels exceed. The scale is 0 without evidence, 1 for `none`, and a given number
    itself.
    """
    if normalize != "image":
        return 1.0 if normalize == "none" else normalize
    plain = _is_plain(targets[chosen])
    comparable = [n for n, target in enumerate(targets) if _is_plain(target) == plain]
    strengths = np.abs(evidence(maps[comparable], polarity=polarity))
    # Clients draw the maps of methods that are installed in the service only, all of layers.
    info = METHOD_INFO.get(method)
    if info and info.pixel_level:
        return float(np.quantile(strengths, PIXEL_LEVEL_QUANTILE))
    return float(strengths.max(initial=0.0))


def _is_plain(target: TargetResult) -> bool:
    return not (target.rivals or target.against)
