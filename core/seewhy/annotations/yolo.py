"""Labels of YOLO: a text file for each image, with a line for each object.

A line is the class index, and then x and y of the center, width and height of a box, or x and y of
each vertex of a polygon. Coordinates are fractions of the width and the height of the image, with
eight decimals. There are no scores, holes or masks. https://docs.ultralytics.com/datasets/detect/
"""

from collections.abc import Iterable, Mapping, Sequence

from seewhy.annotations.annotation import MAX_POINTS, Annotation, ImageSize, number
from seewhy.annotations.shapes import box_from_corners, box_of, outer_ring
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.regions import Point

_MAX_CHARACTERS = 16_000_000


def encode_yolo(
    annotations: Iterable[Annotation],
    size: ImageSize,
    *,
    indices: Mapping[str, int],
    polygons: bool = False,
) -> str:
    """Encode the boxes or the outer rings of the annotations; `indices` are those of the labels.

    Raises `InvalidAnnotation` when an annotation has nothing of the kind.
    """
    return "".join(
        f"{indices[annotation.label]} "
        + " ".join(f"{share:.8f}" for share in _shares(annotation, size, polygons=polygons))
        + "\n"
        for annotation in annotations
    )


def decode_yolo(text: str, size: ImageSize, *, labels: Sequence[str]) -> tuple[Annotation, ...]:
    """Decode the lines of a file: boxes of five numbers, and polygons of seven or more.

    Raises `InvalidAnnotation`, which names the line, when one is malformed.
    """
    if len(text) > _MAX_CHARACTERS:
        raise InvalidAnnotation(f"the labels are longer than {_MAX_CHARACTERS} characters")
    lines = enumerate(text.splitlines(), start=1)
    return tuple(_decode(line.split(), size, labels, row) for row, line in lines if line.strip())


def _shares(annotation: Annotation, size: ImageSize, *, polygons: bool) -> list[float]:
    if polygons:
        ring = outer_ring(annotation)
        return [n for p in ring for n in (p.x / size.width_px, p.y / size.height_px)]
    box = box_of(annotation)
    return [
        (box.x + box.width / 2) / size.width_px,
        (box.y + box.height / 2) / size.height_px,
        box.width / size.width_px,
        box.height / size.height_px,
    ]


def _decode(texts: list[str], size: ImageSize, labels: Sequence[str], row: int) -> Annotation:
    index, *rest = texts
    if not (index.isdecimal() and len(index) < 10 and int(index) < len(labels)):
        raise InvalidAnnotation(f"line {row}: the class must be an index below {len(labels)}")
    label, name = labels[int(index)], f"line {row}: a coordinate"
    if len(rest) > 2 * MAX_POINTS:
        raise InvalidAnnotation(f"line {row}: a polygon has at most {MAX_POINTS} points")
    shares = [number(text, name) for text in rest]
    if not all(0 <= share <= 1 for share in shares):
        raise InvalidAnnotation(f"{name} must be 0 to 1")
    if len(shares) == 4:
        x, y = shares[0] * size.width_px, shares[1] * size.height_px
        half_width, half_height = shares[2] * size.width_px / 2, shares[3] * size.height_px / 2
        box = box_from_corners(x - half_width, y - half_height, x + half_width, y + half_height)
        return Annotation(label=label, box=box)
    if len(shares) < 6 or len(shares) % 2:
        raise InvalidAnnotation(f"line {row}: {len(texts)} numbers are neither a box nor a polygon")
    pairs = zip(shares[::2], shares[1::2], strict=True)
    ring = tuple(Point(x=x * size.width_px, y=y * size.height_px) for x, y in pairs)
    return Annotation(label=label, rings=(ring,))
