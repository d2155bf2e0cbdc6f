"""Read the label config of a Label Studio project: its image tags, control tags and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from seewhy.annotations.label_mapping import Label
from seewhy.annotations.label_studio.results import ResultType, Tag
from seewhy.errors import InvalidRequest
from seewhy.quoting import quote

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 64
MAX_LABELS = 20_000
"""In the whole config."""

_CONTROLS = {
    "Choices": ResultType.CHOICES,
    "RectangleLabels": ResultType.RECTANGLE,
    "PolygonLabels": ResultType.POLYGON,
    "BrushLabels": ResultType.BRUSH,
    "BitmaskLabels": ResultType.BITMASK,
    "EllipseLabels": ResultType.ELLIPSE,
    "KeyPointLabels": ResultType.KEY_POINT,
}
_LABEL_TAGS = {"Label", "Choice"}


@dataclass(frozen=True, slots=True)
class Control:
    """A control tag that can show explanations of an image."""

    tag: Tag
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """The explained image of a project, and the control tags for it."""

    image_field: str
    """The field of `task.data` with the image."""
    controls: tuple[Control, ...]


@dataclass(slots=True)
class _Tags:
    """What the parser has found. Names are in the order of the document."""

    images: dict[str, str] = field(default_factory=dict)
    """Name of an image tag → its value."""
    controls: list[tuple[Tag, list[Label]]] = field(default_factory=list)
    open: list[list[Label] | None] = field(default_factory=list)
    """For each open element, the labels of the control tag around it."""
    labels: int = 0


def parse_label_config(text: str) -> LabelConfig:
    """Parse the XML of a label config.

    The explained image is that of the first control tag. Raises `InvalidRequest` when the text is
    not a label config, or has no control tag for an image that seewhy can fill.
    """
    if len(text) > MAX_CHARACTERS:
        _refuse(f"has more than {MAX_CHARACTERS:,} characters")
    tags = _read_tags(text)
    served = [(tag, labels) for tag, labels in tags.controls if tag.to_name in tags.images]
    if not served:
        _refuse(
            f"has no control tag for an image that seewhy can fill; add one of "
            f"{', '.join(_CONTROLS)} with the `toName` of an Image tag"
        )
    image = served[0][0].to_name
    value = tags.images[image]
    if not value.startswith("$") or len(value) < 2:
        _refuse(f"has an Image tag whose value is {quote(value)}; name a field, such as $image")
    return LabelConfig(
        image_field=value[1:],
        controls=tuple(
            Control(tag, tuple(labels)) for tag, labels in served if tag.to_name == image
        ),
    )


def _read_tags(text: str) -> _Tags:
    tags = _Tags()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: _refuse("declares a document type; remove it")
    parser.StartElementHandler = lambda name, attributes: _open(tags, name, attributes)
    parser.EndElementHandler = lambda _: tags.open.pop()
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        _refuse(f"is not valid XML: {reason} at line {error.lineno}, column {error.offset + 1}")
    except UnicodeEncodeError:
        _refuse("has half of a character (a lone surrogate)")
    return tags


def _open(tags: _Tags, name: str, attributes: Mapping[str, str]) -> None:
    if len(tags.open) >= MAX_DEPTH:
        _refuse(f"is nested more than {MAX_DEPTH} levels deep")
    labels = tags.open[-1] if tags.open else None
    own_name = attributes.get("name", "")
    if name == "Image" and own_name:
        tags.images[own_name] = attributes.get("value", "")
    elif name in _CONTROLS and own_name:
        labels = []
        to_name = attributes.get("toName", "").partition(",")[0].strip()
        tag = Tag(type=_CONTROLS[name], from_name=own_name, to_name=to_name)
        tags.controls.append((tag, labels))
    elif name in _LABEL_TAGS and labels is not None:
        _add_label(tags, labels, attributes)
    tags.open.append(labels)


def _add_label(tags: _Tags, labels: list[Label], attributes: Mapping[str, str]) -> None:
    tags.labels += 1
    if tags.labels > MAX_LABELS:
        _refuse(f"has more than {MAX_LABELS:,} labels")
    names = tuple(text for text in (attributes.get("alias"), attributes.get("value")) if text)
    if names:
        labels.append(Label(names[0], names))


def _refuse(reason: str) -> NoReturn:
    raise InvalidRequest(f"The label config {reason}.")
