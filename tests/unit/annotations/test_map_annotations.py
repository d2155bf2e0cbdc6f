"""The regions of a map become annotations."""

import tracemalloc

import numpy as np
import pytest

from seewhy.annotations.annotation import Annotation, MaskArray
from seewhy.annotations.map_annotations import map_annotations
from seewhy.annotations.shapes import box_of, mask_of
from seewhy.errors import InvalidAnnotation
from seewhy.imaging.arrays import MapArray
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import MAX_REGIONS
from seewhy.schemas.result import ClassScore, Verdict


def segmented(
    probability: float | None = 0.5, *, evidence: MapArray | None = None, scale: int = 10
) -> tuple[MapRegions, MaskArray]:
    """Return the regions of a map in an image that has `scale` times its width and height."""
    if evidence is None:
        evidence = np.zeros((6, 8), np.float32)
        evidence[1:3, 1:3], evidence[4, 6] = 2.0, 1.0
    height, width = (scale * cells for cells in evidence.shape)
    covers = Rectangle(x=0, y=0, width=width, height=height)
    segmentation = Segmentation(
        evidence, rectangle=covers, width_px=width, height_px=height, threshold=0.4
    )
    regions = MapRegions(
        image_width_px=width,
        image_height_px=height,
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
        regions=segmentation.outlined_regions(MAX_REGIONS),
    )
    return regions, segmentation.mask(MAX_REGIONS).astype(np.bool_)


def test_each_region_is_an_annotation_with_its_own_pixels() -> None:
    regions, mask = segmented()
    first, second = map_annotations(regions, mask)
    assert [mask_of(one).sum() for one in (first, second)] == [
        region.area_px for region in regions.regions
    ]
    assert ((mask_of(first) | mask_of(second)) == mask).all()
    assert box_of(Annotation(label="", mask=second.mask)) == second.box
    assert first.box == regions.regions[0].box
    assert [(p.x, p.y) for p in first.rings[0]] == list(regions.regions[0].contour)
    assert first.label == "cat"


def test_all_regions_of_an_image_take_the_memory_of_a_few_masks() -> None:
    evidence = np.zeros((28, 28), np.float32)
    evidence[::4, ::4] = 1.0
    regions, mask = segmented(evidence=evidence, scale=20)
    tracemalloc.start()
    try:
        annotations = map_annotations(regions, mask)
        areas = [int(mask_of(one).sum()) for one in annotations]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert areas == [region.area_px for region in regions.regions]
    assert len(areas) == 49
    assert peak_bytes < 10 * mask.nbytes


def test_the_score_is_the_probability_of_the_class_times_that_of_the_region() -> None:
    first, second = map_annotations(segmented()[0])
    assert (first.score, second.score) == (0.5, 0.25)
    assert first.mask is None
    assert [one.score for one in map_annotations(segmented(None)[0])] == [None, None]


def test_the_mask_of_other_regions_is_refused() -> None:
    regions, mask = segmented()
    with pytest.raises(InvalidAnnotation, match="does not show the regions"):
        map_annotations(regions, np.roll(mask, 1))
