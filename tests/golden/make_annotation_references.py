"""Make `annotation_references.json` with the masks that the tools' own libraries write.

Runs in an environment with pycocotools 2.0.11, cvat-sdk 2.80.0 and label-studio-sdk 2.1.2, and
imports nothing from seewhy.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from cvat_sdk.masks import encode_mask
from label_studio_sdk.converter.brush import mask2rle
from numpy.typing import NDArray
from pycocotools import mask as coco_masks


def masks() -> list[NDArray[np.bool_]]:
    """Return masks of noise, blocks, single pixels, full masks, and long runs."""
    random = np.random.default_rng(20)
    drawn = [random.random((height, width)) < 0.5 for height, width in ((1, 1), (5, 9), (17, 6))]
    block = np.zeros((30, 40), np.bool_)
    block[4:20, 7:31] = True
    block[9:12, 10:20] = False
    corner = np.zeros((7, 5), np.bool_)
    corner[0, 0] = corner[6, 4] = True
    rows, columns = np.mgrid[:300, :260]
    ellipse = ((rows - 140) / 120) ** 2 + ((columns - 130) / 90) ** 2 <= 1
    full = np.ones((200, 150), np.bool_)
    return [mask for mask in (*drawn, block, corner, ellipse, full) if mask.any()]


def references(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask by each library."""
    coco = coco_masks.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "size": list(mask.shape),
        "bits": np.packbits(mask).tobytes().hex(),
        "coco": coco["counts"].decode("ascii"),
        "cvat": encode_mask(mask),
        "label_studio": mask2rle(mask.astype(np.uint8) * np.uint8(255)),
    }


def main() -> None:
    """Write the file beside this one."""
    entries = [json.dumps(references(mask)) for mask in masks()]
    text = "[\n" + ",\n".join(entries) + "\n]\n"
    (Path(__file__).parent / "annotation_references.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
