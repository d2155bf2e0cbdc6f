"""Images of "CVAT for images 1.1" files: the `image` elements of `annotations.xml`.

Coordinates are pixels from the top left; numbers have two decimals, as CVAT writes them. Shapes
have no score. A mask is `rle`, the runs in its box, row by row, the first of zeros, with `left`,
`top`, `width` and `height`. https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from collections.abc import Iterable, Iterator
from functools import partial
from xml.etree.ElementTree import Element, SubElement, tostring

from seewhy.annotations.annotation import Annotation, ImageSize, number
from seewhy.annotations.cvat.mask_rle import MAX_RUNS
from seewhy.annotations.cvat.shapes import ShapeType, decode_points, encode_points
from seewhy.annotations.xml_documents import integer, label_of, parse_xml, writable
from seewhy.errors import InvalidAnnotation

_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def encode_image(
    annotations: Iterable[Annotation],
    kind: ShapeType,
    *,
    image_id: int,
    name: str,
    size: ImageSize,
) -> str:
    """Encode the annotations of an image as an `image` element.

    Raises `InvalidAnnotation` when an annotation has nothing of the type.
    """
    image = Element(
        "image",
        id=str(image_id),
        name=writable(name),
        width=str(size.width_px),
        height=str(size.height_px),
    )
    for annotation in annotations:
        _add_shape(image, annotation, kind)
    return tostring(image, encoding="unicode")


def encode_labels(labels: Iterable[str]) -> str:
    """Encode the classes of a file as its `meta` element."""
    meta = Element("meta")
    parent = SubElement(SubElement(meta, "task"), "labels")
    for label in labels:
        element = SubElement(parent, "label")
        SubElement(element, "name").text = writable(label)
        SubElement(element, "attributes")
    return tostring(meta, encoding="unicode")


def decode_images(text: str) -> Iterator[tuple[str, Iterator[Annotation]]]:
    """Decode a file: yield the name of each image, and its annotations one at a time.

    So there is one mask in memory. Raises `InvalidAnnotation` on the way when the file is
    malformed, or has tags, other shapes or rotated boxes.
    """
    for image in parse_xml(text, root="annotations").iter("image"):
        size = ImageSize(
            integer(image.get("width"), "width"), integer(image.get("height"), "height")
        )
        name = label_of(image.get("name"), "name")
        yield name, map(partial(_decode, size=size), image)


def _add_shape(image: Element, annotation: Annotation, kind: ShapeType) -> None:
    numbers = encode_points(annotation, kind)
    match kind:
        case ShapeType.RECTANGLE:
            where = {key: f"{n:.2f}" for key, n in zip(_CORNERS, numbers, strict=True)}
        case ShapeType.POLYGON | ShapeType.POINTS:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            where = {"points": ";".join(f"{x:.2f},{y:.2f}" for x, y in pairs)}
        case ShapeType.MASK:
            *runs, left, top, right, bottom = numbers
            where = {"rle": ", ".join(map(str, runs)), "left": str(left), "top": str(top)}
            where |= {"width": str(right - left + 1), "height": str(bottom - top + 1)}
    common = {"label": writable(annotation.label), "source": "auto", "occluded": "0"}
    tag = "box" if kind is ShapeType.RECTANGLE else kind.value
    SubElement(image, tag, common | where | {"z_order": "0"})


def _decode(element: Element, size: ImageSize) -> Annotation:
    label = label_of(element.get("label"), "label")
    if number(element.get("rotation", "0"), "rotation") != 0:
        raise InvalidAnnotation("rotated shapes are not read")
    match element.tag:
        case "box":
            corners = [number(element.get(key), key) for key in _CORNERS]
            return decode_points([*corners], ShapeType.RECTANGLE, size, label=label)
        case "polygon" | "points" as tag:
            pairs = element.get("points", "").replace(";", ",").split(",")
            numbers = [number(text, "a coordinate") for text in pairs]
            return decode_points([*numbers], ShapeType(tag), size, label=label)
        case "mask":
            return decode_points(_mask_numbers(element), ShapeType.MASK, size, label=label)
        case _:
            raise InvalidAnnotation(f"shapes of the type {element.tag} are not read")


def _mask_numbers(element: Element) -> list[object]:
    texts = element.get("rle", "").split(",", MAX_RUNS)
    left, top, width, height = (
        integer(element.get(key), key) for key in ("left", "top", "width", "height")
    )
    runs = [integer(text, "a run") for text in texts]
    return [*runs, left, top, left + width - 1, top + height - 1]
