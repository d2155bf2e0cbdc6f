"""Regions: the connected parts of an image where the evidence of a map reaches a threshold."""

from typing import Annotated, Literal

from pydantic import Field

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.geometry import Rectangle

DEFAULT_THRESHOLD = 0.15
"""Grad-CAM's rule for boxes: 15 % of the maximum, then the largest component. Selvaraju et al.
2017, arXiv:1610.02391, section 4.1."""
MAX_REGIONS = 50
MAX_VERTICES = 200
"""Of one contour or hole."""
MAX_HOLES = 10
"""Of one region."""

ThresholdName = Literal["otsu"] | Annotated[str, Field(pattern=r"^p[1-9][0-9]?(\.[0-9]{1,3})?$")]
Threshold = Annotated[float, Field(strict=True, gt=0, lt=1)] | ThresholdName
"""A fraction of the strongest evidence, Otsu's method, or `p90`: a percentile of the cells."""

Vertex = tuple[int, int]
"""A corner of pixels, x and y from the top left of the upright image."""


class Point(StoredModel):
    """A point of the upright image, in pixels from the top left."""

    x: float
    y: float


class Region(StoredModel):
    """A connected part of the image where the evidence reaches the threshold."""

    box: Rectangle = Field(description="The smallest box around the region, on pixel edges.")
    area_px: int = Field(description="The number of pixels in the region.")
    peak: Point = Field(description="The center of the region's strongest cell.")
    score: float = Field(
        description="The strongest evidence of the region, divided by that of the map. 0 to 1."
    )
    share: float = Field(
        description="The share of the map's evidence of this polarity in the region. 0 to 1."
    )


class OutlinedRegion(Region):
    """A region with its outline. Vertices are corners of pixels, so they can lie on the edge."""

    contour: tuple[Vertex, ...] = Field(
        description=f"The outer polygon: at most {MAX_VERTICES} vertices, within one pixel of the "
        "region's edge unless that needs more vertices."
    )
    holes: tuple[tuple[Vertex, ...], ...] = Field(
        (), description=f"The polygons of the {MAX_HOLES} largest holes, in the same form."
    )
