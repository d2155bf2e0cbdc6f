"""Rectangles of an image in pixels, and how an image is fitted to a model's input."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seewhy.schemas.base_models import StoredModel

ResizeRule = Literal["stretch", "crop"]
Interpolation = Literal["nearest", "bilinear", "cubic", "area"]


class Rectangle(StoredModel):
    """A part of the original image, in pixels, with the origin at the top left."""

    x: float
    y: float
    width: float
    height: float


_Coordinate = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Length = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Box(Rectangle):
    """A person's annotation of the evidence, in pixels of the upright image."""

    model_config = ConfigDict(extra="forbid")

    x: _Coordinate
    y: _Coordinate
    width: _Length
    height: _Length
