"""Describe the regions of one map of a result."""

from seewhy.imaging.regions.segmentation import RegionPolarity, Segmentation
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import Threshold
from seewhy.schemas.result import Result


def describe_regions(
    segmentation: Segmentation,
    result: Result,
    *,
    index: int,
    rule: Threshold,
    polarity: RegionPolarity,
    components: int,
) -> MapRegions:
    """Return the largest regions of the map at `index`, and how they were found."""
    return MapRegions(
        image_width_px=result.image_width_px,
        image_height_px=result.image_height_px,
        covers=result.covers,
        method=result.method,
        layer=result.layer,
        map=index,
        target=result.targets[index].score,
        verdict=result.targets[index].verdict,
        polarity=polarity,
        rule=rule,
        threshold=segmentation.threshold,
        maximum=segmentation.maximum,
        found=segmentation.found,
        regions=segmentation.outlined_regions(components),
    )
