"""Parts of an image, in pixels, and the ways in which an image meets a model's input."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seewhy.schemas.base_models import StoredModel

ResizeRule = Literal["stretch", "crop"]
Interpolation = Literal["nearest", "bilinear", "cubic", "area"]


class Rectangle(StoredModel):
    """A part of the original picture, in pixels, origin top left."""

    x: float
    y: float
    width: float
    height: float


_Place = Annotated[float, Field(allow_inf_nan=False)]
_Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Box(Rectangle):
    """Where a person sees what the picture is to be explained for, in pixels, upright."""

    model_config = ConfigDict(extra="forbid")

    x: _Place
    y: _Place
    width: _Length
    height: _Length
