"""The writer of each format."""

from collections.abc import Mapping
from types import MappingProxyType

from seewhy.datasets.dataset import DatasetWriter
from seewhy.datasets.file_per_image import VocWriter, YoloWriter
from seewhy.datasets.one_file import CocoWriter, CvatWriter, FiftyOneWriter, LabelStudioWriter
from seewhy.datasets.options import DatasetFormat

WRITERS: Mapping[DatasetFormat, type[DatasetWriter]] = MappingProxyType(
    {
        DatasetFormat.COCO: CocoWriter,
        DatasetFormat.CVAT: CvatWriter,
        DatasetFormat.LABEL_STUDIO: LabelStudioWriter,
        DatasetFormat.YOLO: YoloWriter,
        DatasetFormat.VOC: VocWriter,
        DatasetFormat.FIFTYONE: FiftyOneWriter,
    }
)
