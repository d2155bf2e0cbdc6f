"""What an annotation says: the class, and which pixels show it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize, MaskArray
from seewhy.annotations.label_studio.results import ResultType, decode_result
from seewhy.annotations.pixels import annotated_pixels
from seewhy.errors import InvalidAnnotation
from seewhy_api.label_studio.class_mapping import ClassMapping
from seewhy_api.label_studio.project_view import ProjectView

MAX_SHAPES = 200
"""Of one annotation: each is drawn at the size of the image."""

_SHAPES = set(ResultType) - {ResultType.CHOICES, ResultType.KEY_POINT}
"""What marks pixels."""

_Result = Mapping[str, Any]


class AnnotatedShapes:
    """The results of one annotation that concern the explained image of a project."""

    def __init__(self, results: Sequence[_Result], view: ProjectView) -> None:
        """Ignore results of other tags, and those that mark no pixels and name no class."""
        tags = {(each.tag.from_name, each.tag.type.value) for each in view.config.controls}
        self._mapping: ClassMapping = view.mapping
        self._results = [one for one in results if _tag_of(one) in tags]
        self._shapes = [one for one in self._results if one["type"] in _SHAPES]

    def __bool__(self) -> bool:
        """Whether anything marks pixels."""
        return bool(self._shapes)

    @property
    def class_index(self) -> int | None:
        """The class of the first choice, or else of the first shape; None without a class."""
        choices = [one for one in self._results if one["type"] == ResultType.CHOICES]
        for result in (*choices, *self._shapes):
            for text in _labels(result):
                index = self._mapping.class_of(result["from_name"], text)
                if index is not None:
                    return index
        return None

    def pixels(self, class_index: int, size: ImageSize) -> MaskArray:
        """Return the pixels `(height, width)` of the shapes of a class; if none is, of all shapes.

        Raises `InvalidAnnotation` when there are too many shapes, one of them is malformed, or they
        are of an image of another size.
        """
        of_class = [one for one in self._shapes if self._stands_for(one, class_index)]
        shapes = of_class or self._shapes
        if len(shapes) > MAX_SHAPES:
            raise InvalidAnnotation(f"the annotation has more than {MAX_SHAPES} shapes")
        marked = annotated_pixels(_decode(shapes, size), size)
        if marked is None or not marked.any():
            raise InvalidAnnotation("the annotation marks no pixel of the image")
        return marked

    def _stands_for(self, result: _Result, class_index: int) -> bool:
        name = result["from_name"]
        return any(self._mapping.stands_for(name, text, class_index) for text in _labels(result))


def _tag_of(result: _Result) -> tuple[str, str] | None:
    """Return the name and the type of a result's tag; None without both."""
    name, kind = result.get("from_name"), result.get("type")
    return (name, kind) if isinstance(name, str) and isinstance(kind, str) else None


def _decode(shapes: Sequence[_Result], size: ImageSize) -> Iterator[Annotation]:
    """Decode shapes one by one: masks are as large as the image, which is checked first."""
    for shape in shapes:
        if (shape.get("original_width"), shape.get("original_height")) != (
            size.width_px,
            size.height_px,
        ):
            raise InvalidAnnotation(
                "the annotated image does not have the size of the explained one, "
                f"{size.width_px} x {size.height_px} pixels"
            )
        yield from decode_result(shape)[:1]  # the same shape for each of its labels


def _labels(result: _Result) -> tuple[str, ...]:
    value = result.get("value")
    labels = value.get(result["type"]) if isinstance(value, dict) else None
    return (
        tuple(text for text in labels if isinstance(text, str)) if isinstance(labels, list) else ()
    )
