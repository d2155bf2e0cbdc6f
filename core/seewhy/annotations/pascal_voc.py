"""Boxes of Pascal VOC: an XML file for each image.

Coordinates are whole pixels counted from 1, and `xmax` and `ymax` are within the box: the first
pixel of an image is the box from 1, 1 to 1, 1. Boxes are enlarged to whole pixels. There are no
scores, polygons or masks. Everingham et al. 2010, doi:10.1007/s11263-009-0275-4.
"""

import math
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from seewhy.annotations.annotation import Annotation, ImageSize, number
from seewhy.annotations.shapes import box_from_corners, box_of
from seewhy.annotations.xml_documents import integer, label_of, parse_xml, writable
from seewhy.errors import InvalidAnnotation

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def encode_voc(
    annotations: Iterable[Annotation], *, folder: str, name: str, size: ImageSize
) -> str:
    """Encode the boxes of an image. Raises `InvalidAnnotation` when an annotation has no box."""
    root = Element("annotation")
    SubElement(root, "folder").text = writable(folder)
    SubElement(root, "filename").text = writable(name)
    extent = SubElement(root, "size")
    for tag, value in (("width", size.width_px), ("height", size.height_px), ("depth", 3)):
        SubElement(extent, tag).text = str(value)
    SubElement(root, "segmented").text = "0"
    for annotation in annotations:
        element = SubElement(root, "object")
        SubElement(element, "name").text = writable(annotation.label)
        for tag in ("pose", "truncated", "difficult"):
            SubElement(element, tag).text = "Unspecified" if tag == "pose" else "0"
        box = box_of(annotation)
        right, bottom = math.ceil(box.x + box.width), math.ceil(box.y + box.height)
        corners = (math.floor(box.x) + 1, math.floor(box.y) + 1, right, bottom)
        where = SubElement(element, "bndbox")
        for tag, value in zip(_CORNERS, corners, strict=True):
            SubElement(where, tag).text = str(value)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def decode_voc(text: str) -> tuple[ImageSize, tuple[Annotation, ...]]:
    """Decode a file to the size of the image and its boxes; corners may be fractions.

    Raises `InvalidAnnotation` when it is malformed.
    """
    root = parse_xml(text, root="annotation")
    width_px = integer(root.findtext("size/width"), "width")
    height_px = integer(root.findtext("size/height"), "height")
    return ImageSize(width_px, height_px), tuple(map(_decode, root.iter("object")))


def _decode(element: Element) -> Annotation:
    where = element.find("bndbox")
    if where is None:
        raise InvalidAnnotation("an object has no bndbox")
    left, top, right, bottom = (number(where.findtext(tag), tag) for tag in _CORNERS)
    return Annotation(
        label=label_of(element.findtext("name"), "name"),
        box=box_from_corners(left - 1, top - 1, right, bottom),
    )
