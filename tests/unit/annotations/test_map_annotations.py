"""The regions of a map become annotations."""

import numpy as np
import pytest

from seewhy.annotations.annotation import Annotation, MaskArray
from seewhy.annotations.map_annotations import map_annotations
from seewhy.errors import InvalidAnnotation
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.result import ClassScore, Verdict


def segmented(probability: float | None = 0.5) -> tuple[MapRegions, MaskArray]:
    signed = np.zeros((6, 8), np.float32)
    signed[1:3, 1:3], signed[4, 6] = 2.0, 1.0
    covers = Rectangle(x=0, y=0, width=80, height=60)
    segmentation = Segmentation(signed, rectangle=covers, width_px=80, height_px=60, threshold=0.4)
    regions = MapRegions(
        image_width_px=80,
        image_height_px=60,
        covers=covers,
        method="gradcam",
        map=0,
        target=ClassScore(index=3, label="cat", logit=1.0, probability=probability),
        verdict=Verdict.OK,
        polarity="positive",
        rule=0.4,
        threshold=segmentation.threshold,
        maximum=segmentation.maximum,
        found=segmentation.found,
        regions=segmentation.outlined_regions(5),
    )
    return regions, segmentation.mask(5).astype(np.bool_)


def pixels(annotation: Annotation) -> MaskArray:
    assert annotation.mask is not None
    return annotation.mask


def test_each_region_is_an_annotation_with_its_own_pixels() -> None:
    regions, mask = segmented()
    first, second = map_annotations(regions, mask)
    assert [pixels(one).sum() for one in (first, second)] == [
        region.area_px for region in regions.regions
    ]
    assert ((pixels(first) | pixels(second)) == mask).all()
    assert first.box == regions.regions[0].box
    assert [(p.x, p.y) for p in first.rings[0]] == list(regions.regions[0].contour)
    assert first.label == "cat"


def test_the_score_is_the_probability_of_the_class_times_that_of_the_region() -> None:
    first, second = map_annotations(segmented()[0])
    assert (first.score, second.score) == (0.5, 0.25)
    assert first.mask is None
    assert [one.score for one in map_annotations(segmented(None)[0])] == [None, None]


def test_the_mask_of_other_regions_is_refused() -> None:
    regions, mask = segmented()
    with pytest.raises(InvalidAnnotation, match="does not show the regions"):
        map_annotations(regions, np.roll(mask, 1))
