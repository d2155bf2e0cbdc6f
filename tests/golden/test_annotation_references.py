"""Masks are those of pycocotools, cvat-sdk and label-studio-sdk, number for number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.coco.mask_rle import decode_rle, encode_rle
from seewhy.annotations.cvat.mask_rle import decode_mask, encode_mask
from seewhy.annotations.label_studio.brush_rle import decode_brush, encode_brush

FILE = Path(__file__).with_name("annotation_references.json")
REFERENCES = json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda one: "x".join(map(str, one["size"])))
def test_each_library_writes_the_same_mask(reference: dict[str, Any]) -> None:
    height, width = reference["size"]
    bits = np.frombuffer(bytes.fromhex(reference["bits"]), np.uint8)
    mask = np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)
    coco = {"size": [height, width], "counts": reference["coco"]}
    size = ImageSize(width, height)
    assert encode_rle(mask) == coco
    assert encode_mask(mask) == reference["cvat"]
    assert encode_brush(mask) == reference["label_studio"]
    assert (decode_rle(coco, size) == mask).all()
    assert (decode_mask(reference["cvat"], size) == mask).all()
    assert (decode_brush(reference["label_studio"], size) == mask).all()
