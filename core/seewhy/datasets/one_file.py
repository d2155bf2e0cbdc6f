"""Formats with one file of annotations for all images: COCO, CVAT, Label Studio and FiftyOne."""

import json
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from seewhy.annotations.coco.objects import Segmentation, encode_object
from seewhy.annotations.cvat import xml_images
from seewhy.annotations.cvat.shapes import ShapeType
from seewhy.annotations.fiftyone import encode_sample
from seewhy.annotations.label_studio.results import (
    ResultType,
    Tag,
    encode_prediction,
    encode_result,
)
from seewhy.annotations.xml_documents import writable
from seewhy.datasets.dataset import DatasetItem, DatasetWriter
from seewhy.datasets.options import Shape

_SEGMENTATIONS = {
    Shape.MASK: Segmentation.COMPRESSED_RLE,
    Shape.POLYGON: Segmentation.POLYGON,
    Shape.BOX: Segmentation.NONE,
}
_CVAT_SHAPES = {
    Shape.MASK: ShapeType.MASK,
    Shape.POLYGON: ShapeType.POLYGON,
    Shape.BOX: ShapeType.RECTANGLE,
}
_CHOICES = Tag(type=ResultType.CHOICES, from_name="class", to_name="image")
_TAGS = {
    Shape.MASK: Tag(type=ResultType.BRUSH, from_name="mask", to_name="image"),
    Shape.POLYGON: Tag(type=ResultType.POLYGON, from_name="polygon", to_name="image"),
    Shape.BOX: Tag(type=ResultType.RECTANGLE, from_name="box", to_name="image"),
}
_CONTROLS = {
    Shape.MASK: "BrushLabels",
    Shape.POLYGON: "PolygonLabels",
    Shape.BOX: "RectangleLabels",
}


class CocoWriter(DatasetWriter):
    """`annotations.json` as COCO's `instances` files, with scores."""

    shapes = (Shape.MASK, Shape.POLYGON, Shape.BOX)

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        super().__init__(folder, shape=shape, image_folder_url=image_folder_url)
        self._images, self._objects = self._new_entries(",\n"), self._new_entries(",\n")
        self._image_id = self._object_id = 0

    def finish(self) -> None:
        """Write the file; category ids start at 1."""
        labels = enumerate(self._classes.labels, start=1)
        categories = [{"id": n, "name": label, "supercategory": ""} for n, label in labels]
        with self._create("annotations.json") as file:
            file.write(f'{{"categories": {json.dumps(categories)},\n"images": [\n')
            self._images.copy_to(file)
            file.write('\n],\n"annotations": [\n')
            self._objects.copy_to(file)
            file.write("\n]}\n")

    def _add(self, item: DatasetItem) -> None:
        self._image_id += 1
        image = {
            "id": self._image_id,
            "file_name": item.name,
            "width": item.size.width_px,
            "height": item.size.height_px,
        }
        self._images.add(json.dumps(image))
        for annotation in item.regions:
            self._object_id += 1
            encoded = encode_object(
                annotation,
                _SEGMENTATIONS[self._shape],
                object_id=self._object_id,
                image_id=self._image_id,
                category_id=self._classes.number(annotation.label) + 1,
            )
            self._objects.add(json.dumps(encoded))


class CvatWriter(DatasetWriter):
    """`annotations.xml` of "CVAT for images 1.1", and `labels.json` for the editor of labels."""

    shapes = (Shape.MASK, Shape.POLYGON, Shape.BOX)

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        super().__init__(folder, shape=shape, image_folder_url=image_folder_url)
        self._images = self._new_entries("\n")
        self._image_id = 0

    def finish(self) -> None:
        """Write the files. CVAT has no scores."""
        labels = self._classes.labels
        with self._create("annotations.xml") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write("<version>1.1</version>\n" + xml_images.encode_labels(labels) + "\n")
            self._images.copy_to(file)
            file.write("\n</annotations>\n")
        with self._create("labels.json") as file:
            json.dump([{"name": label, "attributes": []} for label in labels], file, indent=1)

    def _add(self, item: DatasetItem) -> None:
        for annotation in item.regions:
            self._classes.number(annotation.label)
        encoded = xml_images.encode_image(
            item.regions,
            _CVAT_SHAPES[self._shape],
            image_id=self._image_id,
            name=item.name,
            size=item.size,
        )
        self._images.add(encoded)
        self._image_id += 1


class LabelStudioWriter(DatasetWriter):
    """`tasks.json` with predictions, and the labeling configuration that shows them."""

    shapes = (Shape.MASK, Shape.BOX, Shape.POLYGON)

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        super().__init__(folder, shape=shape, image_folder_url=image_folder_url)
        self._tasks = self._new_entries(",\n")

    def finish(self) -> None:
        """Write the files."""
        with self._create("tasks.json") as file:
            file.write("[\n")
            self._tasks.copy_to(file)
            file.write("\n]\n")
        with self._create("labeling_config.xml") as file:
            file.write(self._config())

    def _add(self, item: DatasetItem) -> None:
        annotated = [(one, _CHOICES) for one in item.classes]
        annotated += [(one, _TAGS[self._shape]) for one in item.regions]
        results = []
        for number, (annotation, tag) in enumerate(annotated, start=1):
            self._classes.number(annotation.label)
            results.append(encode_result(annotation, tag, size=item.size, result_id=f"r{number}"))
        scores = [one.score for one in item.classes if one.score is not None]
        prediction = encode_prediction(
            results, model_version="seewhy", score=max(scores, default=None)
        )
        url = self._image_folder_url + item.name
        self._tasks.add(json.dumps({"data": {"image": url}, "predictions": [prediction]}))

    def _config(self) -> str:
        view = Element("View")
        SubElement(view, "Image", name="image", value="$image")
        choices = SubElement(view, "Choices", name="class", toName="image", choice="multiple")
        name = _TAGS[self._shape].from_name
        regions = SubElement(view, _CONTROLS[self._shape], name=name, toName="image")
        for label in self._classes.labels:
            SubElement(choices, "Choice", value=writable(label))
            SubElement(regions, "Label", value=writable(label))
        indent(view)
        return tostring(view, encoding="unicode") + "\n"


class FiftyOneWriter(DatasetWriter):
    """A `FiftyOneDataset`: samples with classes, boxes with scores, and heatmaps."""

    shapes = (Shape.BOX,)
    needs_heatmaps = True
    image_folder = "data"

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        super().__init__(folder, shape=shape, image_folder_url=image_folder_url)
        self._samples = self._new_entries(",\n")
        # FiftyOne completes the paths of the fields that have a folder of their name here.
        (folder / "fields" / "heatmap").mkdir(parents=True)

    def finish(self) -> None:
        """Write `samples.json`, and `metadata.json` with the classes."""
        with self._create("samples.json") as file:
            file.write('{"samples": [\n')
            self._samples.copy_to(file)
            file.write("\n]}\n")
        with self._create("metadata.json") as file:
            info = {"default_classes": self._classes.labels}
            json.dump({"media_type": "image", "info": info}, file, indent=1)

    def _add(self, item: DatasetItem) -> None:
        heatmap_path = None
        if item.heatmap is not None:
            heatmap_path = f"fields/heatmap/{Path(item.name).stem}.png"
            (self._folder / heatmap_path).write_bytes(item.heatmap)
        for annotation in (*item.classes, *item.regions):
            self._classes.number(annotation.label)
        sample = encode_sample(
            f"{self.image_folder}/{item.name}",
            item.size,
            classes=item.classes,
            regions=item.regions,
            heatmap_path=heatmap_path,
            fields=item.fields,
        )
        self._samples.add(json.dumps(sample))
