"""The regions of one map, as the service returns them."""

from typing import Literal

from pydantic import Field

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import OutlinedRegion, Threshold
from seewhy.schemas.result import ClassScore, Verdict


class MapRegions(StoredModel):
    """The regions of one map, and how they were found.

    Coordinates are pixels of the upright image, from its top left.
    """

    image_width_px: int
    image_height_px: int
    covers: Rectangle = Field(description="The part of the image that the map covers.")
    method: str
    layer: str = Field("", description="The layer of the map; empty for maps of the pixels.")
    map: int = Field(description="The index of the map in the result's targets.")
    target: ClassScore
    verdict: Verdict
    polarity: Literal["positive", "negative"]
    rule: Threshold = Field(description="The threshold as requested.")
    threshold: float = Field(
        description="The threshold that the rule gives, in the unit of the map."
    )
    maximum: float = Field(
        description="The strongest evidence of a cell, in the same unit; 0 without evidence."
    )
    found: int = Field(description="How many components reach the threshold.")
    regions: tuple[OutlinedRegion, ...] = Field(
        description="The requested number of components, largest first."
    )
