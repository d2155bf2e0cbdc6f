"""COCO, CVAT, Pascal VOC, YOLO and FiftyOne: encoded, decoded again, and what is refused."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation_strategies import masks, numbers_of, outlined
from seewhy.annotations import fiftyone, pascal_voc, yolo
from seewhy.annotations.annotation import Annotation, ImageSize, MaskArray, size_of
from seewhy.annotations.coco.mask_rle import decode_rle, encode_rle
from seewhy.annotations.coco.objects import Segmentation, decode_object, encode_object
from seewhy.annotations.cvat import xml_images
from seewhy.annotations.cvat.mask_rle import decode_mask, encode_mask
from seewhy.annotations.cvat.shapes import ShapeType, decode_shape, encode_shape
from seewhy.annotations.shapes import mask_of
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle

SIZE = ImageSize(6, 4)
LABELS = {7: "cat"}


def small() -> Annotation:
    mask = np.zeros((4, 6), np.bool_)
    mask[1:3, 2:5] = True
    return Annotation(label="cat", score=0.5, box=Rectangle(x=2, y=1, width=3, height=2), mask=mask)


def equal(decoded: Annotation, mask: MaskArray) -> bool:
    return bool((mask_of(decoded) == mask).all())


@given(masks(), st.booleans())
def test_a_coco_mask_is_decoded_to_itself(mask: MaskArray, compressed: bool) -> None:
    rle = json.loads(json.dumps(encode_rle(mask, compressed=compressed)))
    assert (decode_rle(rle, size_of(mask)) == mask).all()


@given(outlined())
def test_coco_polygons_and_boxes_are_decoded_to_themselves(
    case: tuple[Annotation, ImageSize],
) -> None:
    annotation, size = case
    encoded = encode_object(
        annotation, Segmentation.POLYGON, object_id=1, image_id=1, category_id=7
    )
    decoded = decode_object(json.loads(json.dumps(encoded)), size, labels={7: annotation.label})
    kept = Annotation(label="", box=annotation.box, rings=annotation.rings)
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=1e-9)
    assert decoded.score == annotation.score


def test_a_coco_object_has_the_area_of_its_segmentation() -> None:
    forms = {form: encode_object(small(), form, object_id=1, image_id=2, category_id=7)
             for form in (Segmentation.NONE, Segmentation.RLE)}  # fmt: skip
    assert forms[Segmentation.NONE] == {
        "id": 1, "image_id": 2, "category_id": 7, "bbox": [2, 1, 3, 2], "area": 6,
        "segmentation": [], "iscrowd": 0, "score": 0.5,
    }  # fmt: skip
    assert forms[Segmentation.RLE]["segmentation"] == {
        "size": [4, 6], "counts": [9, 2, 2, 2, 2, 2, 5],
    }  # fmt: skip
    assert forms[Segmentation.RLE]["area"] == 6


@given(masks(empty=False))
def test_a_cvat_mask_is_decoded_to_itself_in_both_forms(mask: MaskArray) -> None:
    annotation, size = Annotation(label="cat", mask=mask), size_of(mask)
    shape = encode_shape(annotation, ShapeType.MASK, label_id=7, frame=0)
    assert equal(decode_shape(json.loads(json.dumps(shape)), size, labels=LABELS), mask)
    image = xml_images.encode_image(
        [annotation], ShapeType.MASK, image_id=0, name="a.png", size=size
    )
    ((name, (decoded,)),) = xml_images.decode_images(f"<annotations>{image}</annotations>")
    assert name == "a.png"
    assert equal(decoded, mask)


def test_masks_of_a_cvat_file_are_decoded_one_at_a_time() -> None:
    mask = '<mask label="a" rle="0, 4000000" left="0" top="0" width="2000" height="2000"/>'
    image = f'<image name="a" width="2000" height="2000">{mask * 20}</image>'
    tracemalloc.start()
    try:
        areas = [
            int(mask_of(one).sum())
            for _, found in xml_images.decode_images(f"<annotations>{image * 2}</annotations>")
            for one in found
        ]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert areas == [4_000_000] * 40
    assert peak_bytes < 20_000_000  # together they have 160 MB


def test_a_cvat_mask_is_runs_in_its_box_and_the_outermost_pixels() -> None:
    mask = mask_of(small())
    assert encode_mask(mask) == [0, 6, 2, 1, 4, 2]
    mask[1, 2] = False
    assert encode_mask(mask) == [1, 5, 2, 1, 4, 2]
    with pytest.raises(InvalidAnnotation, match="at least one pixel"):
        encode_mask(np.zeros((4, 6), np.bool_))


@given(outlined(), st.sampled_from(["RECTANGLE", "POLYGON", "POINTS"]))
def test_cvat_shapes_are_decoded_to_themselves_in_both_forms(
    case: tuple[Annotation, ImageSize], name: str
) -> None:
    annotation, size = case
    kind = ShapeType[name]
    kept = {
        ShapeType.RECTANGLE: Annotation(label="", box=annotation.box),
        ShapeType.POLYGON: Annotation(label="", rings=annotation.rings),
        ShapeType.POINTS: Annotation(label="", point=annotation.point),
    }[kind]
    shape = encode_shape(annotation, kind, label_id=7, frame=0)
    decoded = decode_shape(json.loads(json.dumps(shape)), size, labels={7: annotation.label})
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=1e-9)
    image = xml_images.encode_image([annotation], kind, image_id=0, name="a", size=size)
    labels = xml_images.encode_labels([annotation.label])
    file = f"<annotations><version>1.1</version>{labels}{image}</annotations>"
    ((_, (decoded,)),) = xml_images.decode_images(file)
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=0.011)
    assert decoded.label == annotation.label


@given(outlined(integral=True))
def test_whole_pixels_are_decoded_to_themselves_from_pascal_voc(
    case: tuple[Annotation, ImageSize],
) -> None:
    annotation, size = case
    file = pascal_voc.encode_voc([annotation], folder="images", name="a.png", size=size)
    decoded_size, (decoded,) = pascal_voc.decode_voc(file)
    assert (decoded_size, decoded.box, decoded.label) == (size, annotation.box, annotation.label)


def test_pascal_voc_counts_pixels_from_one_and_enlarges_fractions() -> None:
    box = Rectangle(x=0.4, y=0, width=1, height=1)
    file = pascal_voc.encode_voc(
        [Annotation(label="a", box=box)], folder="images", name="a.png", size=SIZE
    )
    for tag, value in (("xmin", 1), ("ymin", 1), ("xmax", 2), ("ymax", 1)):
        assert f"<{tag}>{value}</{tag}>" in file


@given(outlined(), st.booleans())
def test_yolo_lines_are_decoded_to_themselves(
    case: tuple[Annotation, ImageSize], polygons: bool
) -> None:
    annotation, size = case
    text = yolo.encode_yolo([annotation], size, indices={annotation.label: 0}, polygons=polygons)
    (decoded,) = yolo.decode_yolo(text, size, labels=[annotation.label])
    kept = (
        Annotation(label="", rings=annotation.rings)
        if polygons
        else Annotation(label="", box=annotation.box)
    )
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=1e-4)


def test_a_yolo_box_is_its_center_and_size_as_shares_of_the_image() -> None:
    text = yolo.encode_yolo([small()], SIZE, indices={"cat": 3})
    assert text == "3 0.58333333 0.50000000 0.50000000 0.50000000\n"


@given(outlined())
def test_fiftyone_boxes_are_decoded_to_themselves(case: tuple[Annotation, ImageSize]) -> None:
    annotation, size = case
    fields = json.loads(json.dumps(fiftyone.encode_detection(annotation, size)))
    decoded = fiftyone.decode_detection(fields, size)
    kept = Annotation(label="", box=annotation.box)
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=1e-9)
    assert (decoded.label, decoded.score) == (annotation.label, annotation.score)


def coco(**changes: Any) -> Callable[[], object]:
    good = encode_object(
        small(), Segmentation.COMPRESSED_RLE, object_id=1, image_id=1, category_id=7
    )
    return lambda: decode_object(good | changes, SIZE, labels=LABELS)


def coco_mask(counts: object) -> Callable[[], object]:
    return coco(segmentation={"size": [4, 6], "counts": counts})


def cvat(*points: object, **changes: Any) -> Callable[[], object]:
    good = {"type": "mask", "label_id": 7, "points": list(points)}
    return lambda: decode_shape(good | changes, SIZE, labels=LABELS)


def image(shape: str) -> Callable[[], object]:
    text = f'<annotations><image name="a" width="6" height="4">{shape}</image></annotations>'
    return images(text)


def images(text: str) -> Callable[[], object]:
    return lambda: [list(found) for _, found in xml_images.decode_images(text)]


def voc(inside: str, size: str = "<size><width>6</width><height>4</height></size>") -> Any:
    return lambda: pascal_voc.decode_voc(f"<annotation>{size}{inside}</annotation>")


def lines(text: str) -> Callable[[], object]:
    return lambda: yolo.decode_yolo(text, SIZE, labels=["cat"])


BILLION_LAUGHS = '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>'


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (coco(category_id=8), "category_id"),
        (coco(bbox=[1, 2, 3]), "bbox must be"),
        (coco(bbox=[1, 2, 3, "4"]), "must be a number"),
        (coco(bbox=[1, 2, 0, 4]), "wider and higher"),
        (coco(segmentation="x"), "list of polygons or an RLE"),
        (coco(segmentation=[[1, 2, 3, 4]]), "3 to 100000 points"),
        (coco(segmentation=[[1, 2, 3, 4, 5, 6]] * 33_334), "at most 100000 points"),
        (coco(segmentation={"size": [6, 4], "counts": []}), r"\[4, 6\]"),
        (coco_mask(None), "string or a list"),
        (coco_mask([2**40]), "1099511627776 pixels, not 24"),
        (coco_mask([30, -6]), "at least 0"),
        (coco_mask([24, True]), "at least 0"),
        (coco_mask([12, 11]), "23 pixels, not 24"),
        (coco_mask("~~~"), "compressed form"),
        (coco_mask("o" * 9), "compressed form"),
        (coco_mask("o"), "truncated"),
        (cvat(0, 6, 2, 1, 4, 2, label_id=8), "label_id"),
        (cvat(0, 6, 2, 1, 4, 2, type="cuboid"), "type must be one of"),
        (cvat(0, 6, 2, 1, 4, 2, rotation=30.0), "rotated"),
        (cvat(points="x"), "list of numbers"),
        (cvat(6, 1, 4, 2), "5 to"),
        (cvat(0, 6, 2, 1, 6, 2), "not within the image"),
        (cvat(0, 6, 2, 1, 2**40, 2**40), "not within the image"),
        (cvat(0, 2**40, 2, 1, 4, 2), "pixels, not 6"),
        (cvat(0, 6, 2.5, 1, 4, 2), "integer of at least 0"),
        (cvat(1, 2, 3, type="rectangle"), "rectangle must have 4 numbers, not 3"),
        (cvat(1, 2, 3, 4, type="points"), "points must have 2 numbers, not 4"),
        (cvat(1, 2, 1, 4, type="rectangle"), "wider and higher"),
        (images(BILLION_LAUGHS), "document type"),
        (images("<annotations>"), "malformed"),
        (images("<a/>"), "root element annotations"),
        (images("<annotations><image/></annotations>"), "width"),
        (image("<box/>"), "label is missing"),
        (image('<cuboid label="a"/>'), "cuboid are not read"),
        (image('<box label="a" xtl="x"/>'), "xtl must be a number"),
        (image('<box label="a" xtl="nan"/>'), "xtl must be finite"),
        (image('<box label="a" rotation="5"/>'), "rotated"),
        (image('<mask label="a" rle="9, 9" left="0" top="0" width="3" height="2"/>'), "not 6"),
        (image('<mask label="a" rle="6" left="0" top="0" width="3" height="2.5"/>'), "integer"),
        (voc("", size=""), "width must be a number"),
        (voc("<object><name>a</name></object>"), "no bndbox"),
        (voc("<object><bndbox><xmin>1</xmin></bndbox></object>"), "ymin must be a number"),
        (lines("1 0.5 0.5 1 1"), "line 1: the class must be an index below 1"),
        (lines("\n0 0.5 0.5 1"), "line 2: 4 numbers"),
        (lines("0 0.5 0.5 1 x"), "must be a number"),
        (lines("0 0.5 0.5 1 7"), "must be 0 to 1"),
        (lines("0 0.5 0.5 0 1"), "wider and higher"),
        (lambda: fiftyone.decode_detection({"label": 1}, SIZE), "label must be a string"),
        (lambda: fiftyone.decode_detection({"label": "a"}, SIZE), "bounding_box"),
        (lambda: ImageSize(0, 4), "sides of an image"),
        (lambda: decode_mask([0] * 4_000_001, SIZE), "5 to 4000000"),
    ],
)
def test_malformed_annotations_are_refused(decode: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidAnnotation, match=message):
        decode()
