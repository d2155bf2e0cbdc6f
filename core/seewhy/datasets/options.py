"""The choices of `seewhy export`. Imports nothing, so that the command line starts quickly."""

from enum import StrEnum


class DatasetFormat(StrEnum):
    """The formats of data sets."""

    COCO = "coco"
    CVAT = "cvat"
    LABEL_STUDIO = "label-studio"
    YOLO = "yolo"
    VOC = "voc"
    FIFTYONE = "fiftyone"


class Shape(StrEnum):
    """How the regions of maps are written."""

    BOX = "box"
    POLYGON = "polygon"
    MASK = "mask"
