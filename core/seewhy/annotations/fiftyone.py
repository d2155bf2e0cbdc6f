"""Samples of FiftyOne: the entries of `samples.json` in a `FiftyOneDataset`.

A bounding box is x, y, width and height as fractions of the image, not rounded; the confidence is
0 to 1. https://docs.voxel51.com/user_guide/import_datasets.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize, finite
from seewhy.annotations.shapes import box_from_corners, box_of
from seewhy.errors import InvalidAnnotation


def encode_sample(
    path: str,
    size: ImageSize,
    *,
    classes: Iterable[Annotation],
    regions: Iterable[Annotation],
    heatmap_path: str | None = None,
    fields: Mapping[str, float | bool] | None = None,
) -> dict[str, Any]:
    """Encode an image: its classes, the boxes of its regions, a heatmap, and fields with numbers.

    Paths are relative to the folder of the data set. The heatmap is a gray image, 0 to 255. Raises
    `InvalidAnnotation` when a region has no box.
    """
    classifications = [_label("Classification", one) for one in classes]
    detections = [encode_detection(one, size) for one in regions]
    sample: dict[str, Any] = {
        **(fields or {}),
        "filepath": path,
        "tags": [],
        "classes": {"_cls": "Classifications", "classifications": classifications},
        "regions": {"_cls": "Detections", "detections": detections},
    }
    if heatmap_path is None:
        return sample
    heatmap = {"_cls": "Heatmap", "tags": [], "map_path": heatmap_path, "range": [0, 255]}
    return sample | {"heatmap": heatmap}


def encode_detection(annotation: Annotation, size: ImageSize) -> dict[str, Any]:
    """Encode a box. Raises `InvalidAnnotation` when the annotation has none."""
    box = box_of(annotation)
    shares = [
        box.x / size.width_px,
        box.y / size.height_px,
        box.width / size.width_px,
        box.height / size.height_px,
    ]
    return _label("Detection", annotation) | {"bounding_box": shares}


def decode_detection(fields: Mapping[str, Any], size: ImageSize) -> Annotation:
    """Decode a box. Raises `InvalidAnnotation` when it is malformed."""
    label, shares, score = (fields.get(key) for key in ("label", "bounding_box", "confidence"))
    if not isinstance(label, str):
        raise InvalidAnnotation("label must be a string")
    if not isinstance(shares, list) or len(shares) != 4:
        raise InvalidAnnotation("bounding_box must be a list of x, y, width and height")
    x, y, width, height = (finite(share, "a number of bounding_box") for share in shares)
    left, top = x * size.width_px, y * size.height_px
    box = box_from_corners(left, top, left + width * size.width_px, top + height * size.height_px)
    return Annotation(
        label=label, score=None if score is None else finite(score, "confidence"), box=box
    )


def _label(kind: str, annotation: Annotation) -> dict[str, Any]:
    label = {"_cls": kind, "tags": [], "label": annotation.label}
    return label if annotation.score is None else label | {"confidence": annotation.score}
