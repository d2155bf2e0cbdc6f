"""Options of what the service draws from a map."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypedDict

Format = Literal["jpeg", "png", "webp"]

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
)


class DrawingOptions(TypedDict, total=False):
    """How a map is drawn. Omitted options take the service's defaults."""

    method: str | None
    """One of the requested methods. Default: the first."""
    layer: str | None
    """One of the requested layers. Default: the first."""
    colormap: str | None
    """Such as `viridis`. Default: `inferno`, or `blue-white-red` for signed maps."""
    alpha: float | None
    """The opacity of the strongest color on the image, 0 to 1. Default: 0.6."""
    polarity: Literal["positive", "negative", "signed"] | None
    """Evidence for the target, against it, or both."""
    threshold: float | str | None
    """Weaker evidence is not drawn: a fraction of the strongest, `otsu`, or `p90`."""
    normalize: str | float | None
    """The value drawn as full heat: the `image`'s maximum, 1 for `none`, or a number."""
    size: int | None
    """The longer side in pixels. Images are scaled down only."""
    format: Format | None
    """Default: JPEG, or PNG for heatmaps, which have transparent parts and no JPEG."""


class RegionOptions(TypedDict, total=False):
    """What counts as a region. Omitted fields take the service's defaults."""

    threshold: float | str | None
    """A fraction of the strongest evidence, `otsu`, or a percentile of the cells such as `p90`."""
    components: int | None
    """How many connected components, largest first. Default: one."""
    method: str | None
    """One of the requested methods. Default: the first."""
    layer: str | None
    """One of the requested layers. Default: the first."""
    polarity: Literal["positive", "negative"] | None
    """Evidence for the target, or against it."""


class ContourOptions(RegionOptions, total=False):
    """How the outlines of regions are drawn on the image."""

    boxes: bool | None
    """Whether to draw the boxes and peaks, too."""
    alpha: float | None
    """The opacity of the map's strongest color; the default 0 draws no map."""
    colormap: str | None
    """The colors of the map, as in `DrawingOptions`."""
    size: int | None
    """The longer side in pixels. Images are scaled down only."""
    format: Format | None
    """Default: JPEG."""


def as_query(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given as query parameters, without the format."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not None and name != "format"
    }
