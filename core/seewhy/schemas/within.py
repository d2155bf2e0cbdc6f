"""The part of an image that a request selects: only what a model scores there counts."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.geometry import Box

MAX_COUNT_CHARACTERS = 16_384
MAX_COUNTS = 2_048
"""The mask is a part of the job's record in Redis."""

_Side = Annotated[int, Field(strict=True, ge=1)]
_Count = Annotated[int, Field(strict=True, ge=0)]


class CocoMask(StrictModel):
    """A mask as RLE of COCO, of the size of the upright image."""

    size: tuple[_Side, _Side] = Field(description="The height and the width of the image.")
    counts: (
        Annotated[str, Field(max_length=MAX_COUNT_CHARACTERS)]
        | Annotated[tuple[_Count, ...], Field(max_length=MAX_COUNTS)]
    ) = Field(description="The runs, in the compressed form of COCO or as a list.")


class Within(StrictModel):
    """A box or a mask, in pixels of the upright image."""

    box: Box | None = Field(None, description="A box, instead of a mask.")
    mask: CocoMask | None = Field(None, description="A mask as RLE of COCO, instead of a box.")

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if (self.box is None) == (self.mask is None):
            raise ValueError("give either box or mask")
        return self
