"""What was drawn in the editor: the label, and where it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.label_studio.results import ResultType, decode_result
from seewhy.annotations.shapes import box_of
from seewhy.errors import InvalidAnnotation
from seewhy.imaging.geometry import scaled_rectangle
from seewhy.schemas.geometry import Rectangle

Region = dict[str, JsonValue]
"""A result of Label Studio, as the editor sends what was drawn."""

_MASKS = {ResultType.BRUSH, ResultType.BITMASK}
_POINT_SHARE = 0.005
"""Of the sides of the image: the width and the height of a point."""


@dataclass(frozen=True, slots=True)
class DrawnRegion:
    """A region with a label."""

    from_name: str
    label: str
    place: Rectangle | None
    """The box around it, as shares of the sides of the upright image; None if it is not known."""


def keep_last_region(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Keep the region that was drawn last and has a label. Of a mask only the label is kept."""
    for region in reversed(regions):
        kind = region.get("type")
        labels = _labels(region)
        if labels and isinstance(region.get("from_name"), str):
            return ({**region, "value": {str(kind): labels}} if kind in _MASKS else region,)
    return ()


def drawn_region(region: Region) -> DrawnRegion | None:
    """Return what a region that was kept says; None without a label."""
    label, name = _labels(region)[0], region["from_name"]
    if not isinstance(label, str) or not isinstance(name, str):
        return None
    return DrawnRegion(name, label, _place(region))


def _labels(region: Region) -> list[JsonValue]:
    kind, value = region.get("type"), region.get("value")
    labels = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
    return labels if isinstance(labels, list) else []


def _place(region: Mapping[str, Any]) -> Rectangle | None:
    try:
        annotation = decode_result(region)[0]
        size = ImageSize(region["original_width"], region["original_height"])
        if point := annotation.point:
            width, height = _POINT_SHARE * size.width_px, _POINT_SHARE * size.height_px
            box = Rectangle(
                x=point.x - width / 2, y=point.y - height / 2, width=width, height=height
            )
        else:
            box = box_of(annotation)
    except (InvalidAnnotation, KeyError):  # a choice has no size
        return None
    return scaled_rectangle(box, x_scale=1 / size.width_px, y_scale=1 / size.height_px)
