"""The query parameters of the routes that draw a map or find its regions."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from seewhy.imaging.rendering.colormaps import COLORMAPS, color_table
from seewhy.schemas.regions import MAX_REGIONS, ThresholdName


def _known(colormap: str) -> str:
    """Return the name of a colormap. Raises `InvalidRequest` for an unknown one."""
    color_table(colormap)
    return colormap


_ScaleMaximum = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Threshold = Annotated[float, Field(gt=0, lt=1)] | ThresholdName
_Size = Annotated[int, Field(ge=16, le=65_500)]
_Colormap = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": list(COLORMAPS)})
]
_SIZE = (
    "The longer side of the drawing in pixels. It is scaled down only: a smaller image keeps its "
    "size."
)
_COLORMAP = (
    f"One of {', '.join(f'`{name}`' for name in COLORMAPS)}. Default: `inferno`, or "
    "`blue-white-red` for signed maps."
)
_THRESHOLD = (
    "A fraction of the strongest evidence such as `0.15`, a percentile of the cells such as `p90`, "
    "or `otsu`."
)


class MapsChoice(BaseModel):
    """The maps of which method, at which layer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str | None = Field(
        None, description="One of the methods that the request named. Default: the first."
    )
    layer: str | None = Field(
        None, description="One of the layers that the request named. Default: the first."
    )


class MapChoice(MapsChoice):
    """Which map of a result."""

    target: str | None = Field(None, description="An explained class; default: the first.")
    map: int | None = Field(
        None, ge=0, description="An index into the result's targets, instead of `target`."
    )


class RenderOptions(MapChoice):
    """The query parameters of an overlay or a heatmap."""

    colormap: _Colormap | None = Field(None, description=_COLORMAP)
    alpha: float = Field(0.6, ge=0, le=1, description="The opacity of the strongest color.")
    polarity: Literal["positive", "negative", "signed"] = Field(
        "positive", description="Evidence for the target, against it, or both."
    )
    normalize: Literal["image", "none"] | _ScaleMaximum | None = Field(
        None, description="The value drawn with full intensity; default: the request's."
    )
    threshold: _Threshold | None = Field(
        None, description=f"Weaker evidence is not drawn. {_THRESHOLD} Default: none."
    )
    size: _Size | None = Field(None, description=_SIZE)


class RegionOptions(MapChoice):
    """The query parameters of regions."""

    threshold: _Threshold | None = Field(
        None,
        description=f"The smallest evidence of a region. {_THRESHOLD} Default: the request's, "
        "which is 15 % of the maximum unless it says otherwise.",
    )
    components: int = Field(
        1,
        ge=1,
        le=MAX_REGIONS,
        description="How many connected components, largest first.",
    )
    polarity: Literal["positive", "negative"] = Field(
        "positive", description="Evidence for the target, or against it."
    )


class MaskOptions(RegionOptions):
    """The query parameters of a mask."""

    bits: Literal["1", "8"] = Field(
        "8", description="Bits per pixel: black and white, or gray of 0 and 255."
    )
    size: _Size | None = Field(None, description=_SIZE)


class ContourOptions(RegionOptions):
    """The query parameters of an image with contours."""

    boxes: bool = Field(False, description="Whether to draw the boxes and peaks, too.")
    alpha: float = Field(
        0, ge=0, le=1, description="The opacity of the map's strongest color; 0 draws no map."
    )
    colormap: _Colormap | None = Field(None, description=_COLORMAP)
    size: _Size | None = Field(None, description=_SIZE)
