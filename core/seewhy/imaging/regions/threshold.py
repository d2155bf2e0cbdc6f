"""Thresholds of the evidence: a fraction of the maximum, a percentile, or Otsu's method."""

import cv2
import numpy as np

from seewhy.imaging.arrays import AnyMapArray, MapArray
from seewhy.imaging.maps import SMALLEST_MAXIMUM, Polarity, evidence
from seewhy.schemas.regions import Threshold

_STEPS = 255


def evidence_threshold(signed: AnyMapArray, rule: Threshold, *, polarity: Polarity) -> float:
    """Return the threshold that a rule gives for a map `(map_height, map_width)`, in its unit.

    It is 0 without evidence. For both signs together it is the threshold of their absolute values.
    """
    strength = np.abs(evidence(signed, polarity=polarity)).astype(np.float64)
    maximum = float(strength.max(initial=0.0))
    if maximum < SMALLEST_MAXIMUM:
        return 0.0
    return threshold_share((strength / maximum).astype(np.float32), rule) * maximum


def threshold_share(shares: MapArray, rule: Threshold) -> float:
    """Return the threshold that a rule gives for a map, as a share of the strongest evidence.

    `shares` is the evidence of each cell divided by the strongest, `(map_height, map_width)`.
    Percentiles and Otsu's method (Otsu 1979, doi:10.1109/TSMC.1979.4310076, in 256 steps) count
    cells, not pixels, so the threshold does not depend on the size of the image.
    """
    if isinstance(rule, float):
        return rule
    if rule == "otsu":
        steps = np.rint(shares * _STEPS).astype(np.uint8)
        last_below, _ = cv2.threshold(steps, 0, _STEPS, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        return float((last_below + 0.5) / _STEPS)
    return float(np.percentile(shares, float(rule.removeprefix("p"))))
