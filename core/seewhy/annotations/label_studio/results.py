"""Results of Label Studio, the entries of `result` of an annotation or a prediction.

Coordinates are percent of the upright image, x to the right and y down from the top left, not
rounded; masks are pixels. A result names the tag of the labeling configuration that shows it
(`from_name`) and the image tag (`to_name`). https://labelstud.io/guide/predictions
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.annotations.label_studio import values
from seewhy.annotations.label_studio.values import ShapeFields
from seewhy.errors import InvalidAnnotation
from seewhy.quoting import quote


class ResultType(StrEnum):
    """The types of results, and the keys of their labels."""

    CHOICES = "choices"
    RECTANGLE = "rectanglelabels"
    POLYGON = "polygonlabels"
    BRUSH = "brushlabels"
    BITMASK = "bitmasklabels"
    ELLIPSE = "ellipselabels"
    KEY_POINT = "keypointlabels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """The control tag of a labeling configuration that shows results, and its image."""

    type: ResultType
    from_name: str
    to_name: str


def encode_result(
    annotation: Annotation, tag: Tag, *, size: ImageSize, result_id: str
) -> dict[str, Any]:
    """Encode an annotation for a tag. `result_id` must be unique within the task.

    A polygon has one ring in Label Studio, so its holes are lost. A box is made of the polygon or
    the mask if the annotation has none, and an ellipse is the one in that box. Raises
    `InvalidAnnotation` when the annotation has nothing of the type.
    """
    result: dict[str, Any] = {
        "id": result_id,
        "from_name": tag.from_name,
        "to_name": tag.to_name,
        "type": tag.type.value,
        "value": _encode_value(annotation, tag.type, size) | {tag.type.value: [annotation.label]},
    }
    if tag.type is not ResultType.CHOICES:
        result["original_width"] = size.width_px
        result["original_height"] = size.height_px
        result["image_rotation"] = 0
    if annotation.score is not None:
        result["score"] = annotation.score
    return result


def encode_prediction(
    results: Sequence[Mapping[str, Any]], *, model_version: str, score: float | None
) -> dict[str, Any]:
    """Put results into a prediction. Label Studio sorts tasks by its score, 0 to 1.

    Label Studio does not ask again for a task that has a prediction of the same model version.
    """
    prediction: dict[str, Any] = {"model_version": model_version, "result": list(results)}
    return prediction if score is None else prediction | {"score": score}


def decode_result(result: object) -> tuple[Annotation, ...]:
    """Decode a result to one annotation for each of its labels; a region without labels has none.

    A rotated rectangle and an ellipse become polygons, and a closed polygon its ring. Raises
    `InvalidAnnotation` for a result of another type, or a malformed one.
    """
    fields = _mapping(result, "a result")
    kind = _result_type(fields)
    value = _mapping(fields.get("value"), "value")
    labels = value.get(kind.value, [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InvalidAnnotation(f"{kind.value} must be a list of strings")
    score = values.score(fields.get("score"))
    if kind is ResultType.CHOICES:
        return tuple(Annotation(label=label, score=score) for label in labels)
    size = _size(fields)
    shape = _decode_value(value, kind, size) if labels else {}  # once: a mask is large
    return tuple(Annotation(label=label, score=score, **shape) for label in labels)


def _result_type(fields: Mapping[str, Any]) -> ResultType:
    """Return the type of a result. Raises `InvalidAnnotation` for a type that is not known."""
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in set(ResultType):
        raise InvalidAnnotation(f"type must be one of {', '.join(ResultType)}, not {quote(kind)}")
    return ResultType(kind)


def _encode_value(annotation: Annotation, kind: ResultType, size: ImageSize) -> dict[str, Any]:
    match kind:
        case ResultType.CHOICES:
            return {}
        case ResultType.RECTANGLE:
            return values.encode_rectangle(annotation, size)
        case ResultType.POLYGON:
            return values.encode_polygon(annotation, size)
        case ResultType.ELLIPSE:
            return values.encode_ellipse(annotation, size)
        case ResultType.KEY_POINT:
            return values.encode_key_point(annotation, size)
        case ResultType.BRUSH | ResultType.BITMASK:
            return values.encode_mask(annotation, size, bitmask=kind is ResultType.BITMASK)


def _decode_value(value: Mapping[str, Any], kind: ResultType, size: ImageSize) -> ShapeFields:
    match kind:
        case ResultType.RECTANGLE:
            return values.decode_rectangle(value, size)
        case ResultType.POLYGON:
            return values.decode_polygon(value, size)
        case ResultType.ELLIPSE:
            return values.decode_ellipse(value, size)
        case ResultType.KEY_POINT:
            return values.decode_key_point(value, size)
        case _:
            return values.decode_mask(value, size, bitmask=kind is ResultType.BITMASK)


def _size(fields: Mapping[str, Any]) -> ImageSize:
    if fields.get("image_rotation", 0) != 0:
        raise InvalidAnnotation("image_rotation must be 0: rotate the image back in Label Studio")
    width_px, height_px = fields.get("original_width"), fields.get("original_height")
    if not isinstance(width_px, int) or not isinstance(height_px, int):
        raise InvalidAnnotation("original_width and original_height must be integers")
    return ImageSize(width_px, height_px)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidAnnotation(f"{name} must be an object")
    return value
