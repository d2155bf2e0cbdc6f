"""The regions of a map as annotations."""

from collections.abc import Sequence

import cv2
import numpy as np

from seewhy.annotations.annotation import Annotation, CroppedMask, MaskArray, Ring, size_of
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import OutlinedRegion, Point, Vertex


def map_annotations(regions: MapRegions, mask: MaskArray | None = None) -> tuple[Annotation, ...]:
    """Return an annotation with box, polygon and point for each region of a map.

    With the mask of the same regions, `(height, width)`, each gets its own pixels, too. The score
    is the probability of the class times the score of the region, so that the strongest region of
    an image has the probability of its class. Raises `InvalidAnnotation` when the mask is not that
    of the regions.
    """
    masks = region_masks(mask, regions.regions) if mask is not None else None
    probability = regions.target.probability
    return tuple(
        Annotation(
            label=regions.target.label,
            score=None if probability is None else probability * region.score,
            box=region.box,
            rings=tuple(_ring(ring) for ring in (region.contour, *region.holes)),
            mask=masks[index] if masks else None,
            point=region.peak,
        )
        for index, region in enumerate(regions.regions)
    )


def region_masks(mask: MaskArray, regions: Sequence[OutlinedRegion]) -> tuple[CroppedMask, ...]:
    """Divide the mask `(height, width)` of some regions into the masks of each, cropped to its box.

    Raises `InvalidAnnotation` when a region is not in the mask.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.asarray(mask).view(np.uint8), connectivity=8
    )
    components = {tuple(int(n) for n in row): label for label, row in enumerate(stats) if label}
    size = size_of(mask)
    masks = []
    for region in regions:
        box = region.box
        left, top, width, height = int(box.x), int(box.y), int(box.width), int(box.height)
        label = components.get((left, top, width, height, region.area_px))
        if label is None:
            raise InvalidAnnotation("the mask does not show the regions")
        pixels = np.asarray(labels[top : top + height, left : left + width] == label)
        masks.append(CroppedMask(pixels=pixels, left=left, top=top, size=size))
    return tuple(masks)


def _ring(vertices: Sequence[Vertex]) -> Ring:
    return tuple(Point(x=x, y=y) for x, y in vertices)
