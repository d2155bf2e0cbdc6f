"""Formats with a file of annotations for each image: YOLO and Pascal VOC."""

import json
import re
from pathlib import Path

from seewhy.annotations.pascal_voc import encode_voc
from seewhy.annotations.xml_documents import writable
from seewhy.annotations.yolo import encode_yolo
from seewhy.datasets.dataset import DatasetItem, DatasetWriter
from seewhy.datasets.options import Shape
from seewhy.errors import InvalidAnnotation
from seewhy.quoting import quote

_ESCAPED_IN_YAML = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What is not printable, and what YAML reads as the end of a line."""


class YoloWriter(DatasetWriter):
    """`labels/NAME.txt` for each image, and `data.yaml` with the classes."""

    shapes = (Shape.BOX, Shape.POLYGON)

    def finish(self) -> None:
        """Write `data.yaml`. Training and validation name the same images: divide them."""
        # Without `path`, Ultralytics reads beside the file; it looks for `path: .` elsewhere.
        names = [f"  {n}: {yaml_string(label)}" for n, label in enumerate(self._classes.labels)]
        head = ["train: images", "val: images", "names:" if names else "names: {}"]
        with self._create("data.yaml") as file:
            file.write("\n".join([*head, *names]) + "\n")

    def _add(self, item: DatasetItem) -> None:
        for annotation in item.regions:
            self._classes.number(annotation.label)
        with self._create(f"labels/{Path(item.name).stem}.txt") as file:
            file.write(
                encode_yolo(
                    item.regions,
                    item.size,
                    indices=self._classes.indices,
                    polygons=self._shape is Shape.POLYGON,
                )
            )


def yaml_string(text: str) -> str:
    """Return a text as a double-quoted string of YAML, which is one of JSON.

    YAML has no surrogate pairs, so characters beyond the basic plane are written as they are.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


class VocWriter(DatasetWriter):
    """`Annotations/NAME.xml` for each image, the images, and lists of both."""

    shapes = (Shape.BOX,)
    image_folder = "JPEGImages"

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        super().__init__(folder, shape=shape, image_folder_url=image_folder_url)
        self._names: list[str] = []

    def add(self, item: DatasetItem) -> None:
        """Write an image and its boxes. Raises `InvalidAnnotation` as `labelmap.txt` demands."""
        for annotation in item.regions:
            label = annotation.label
            if not re.fullmatch(r"[^\s#:]([^\r\n:]*[^\s:])?", label):
                raise InvalidAnnotation(
                    f"the class {quote(label)} cannot be in labelmap.txt, whose lines are divided "
                    "by colons and have no escapes: choose another format"
                )
        super().add(item)

    def finish(self) -> None:
        """Write `labelmap.txt`, as CVAT reads it, and the list of images that belong to the set."""
        labels = dict.fromkeys(["background", *map(writable, self._classes.labels)])
        with self._create("labelmap.txt") as file:
            file.write("# label:color_rgb:parts:actions\n")
            file.writelines(f"{label}:::\n" for label in labels)
        with self._create("ImageSets/Main/default.txt") as file:
            file.writelines(f"{name}\n" for name in self._names)

    def _add(self, item: DatasetItem) -> None:
        for annotation in item.regions:
            self._classes.number(annotation.label)
        stem = Path(item.name).stem
        self._names.append(stem)
        with self._create(f"Annotations/{stem}.xml") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n')
            file.write(
                encode_voc(item.regions, folder=self.image_folder, name=item.name, size=item.size)
            )
