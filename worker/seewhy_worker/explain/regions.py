"""The regions of each map of an explanation."""

from dataclasses import replace

from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.regions import Threshold
from seewhy_worker.explain.types import ImageExplanation

REGIONS_PER_MAP = 1
"""Grad-CAM's rule: the largest component. The API finds others on request."""


def with_regions(
    explanation: ImageExplanation, *, width_px: int, height_px: int, threshold: Threshold
) -> ImageExplanation:
    """Add to each map the largest region of its positive evidence, in an image of this size.

    The size is that of the upright original. Contours are left out, because results are kept in
    Redis; the API outlines regions on request.
    """
    targets = []
    for target, signed in zip(explanation.targets, explanation.maps, strict=True):
        segmentation = Segmentation(
            signed,
            rectangle=explanation.covers,
            width_px=width_px,
            height_px=height_px,
            threshold=threshold,
        )
        regions = segmentation.regions(REGIONS_PER_MAP)
        targets.append(target.model_copy(update={"regions": regions}))
    return replace(explanation, targets=tuple(targets))
