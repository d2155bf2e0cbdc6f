"""A prediction of Label Studio from the result of an explanation."""

import hashlib
from dataclasses import replace
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.annotations.label_studio.results import ResultType, encode_prediction, encode_result
from seewhy.annotations.map_annotations import map_annotations
from seewhy.imaging import maps
from seewhy.imaging.arrays import MapArray
from seewhy.imaging.pixel_budget import BYTES_PER_PIXEL, PixelBudget
from seewhy.imaging.regions.description import describe_regions
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.result import Result
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.class_mapping import has_regions
from seewhy_api.label_studio.label_config import Control
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.project_view import ProjectView

_MASKS = {ResultType.BRUSH, ResultType.BITMASK}
_ID_DIGITS = 12


class PredictionBuilder:
    """Reads the map of a result and marks its regions, within a pixel budget. Thread-safe."""

    def __init__(self, *, store: ObjectStore, pixels: PixelBudget) -> None:
        """Read maps from `store`, and reserve the pixels of regions."""
        self._store = store
        self._pixels = pixels

    def build(self, result: Result, view: ProjectView, *, task_id: int | None) -> dict[str, Any]:
        """Return the prediction of a task.

        Each control tag with a label for the explained class shows it. Raises `ObjectNotFound`
        past the retention, `TooManyRenderings` and `StoreUnavailable`.
        """
        score = result.targets[0].score
        labeled = [
            (control, label)
            for control in view.config.controls
            if (label := view.mapping.label_of(control, score.index)) is not None
        ]
        regions: tuple[Annotation, ...] = ()
        if any(has_regions(control) for control, _ in labeled):
            regions = self._regions(
                result, view.options, masks=any(each.tag.type in _MASKS for each, _ in labeled)
            )
        whole = Annotation(label=score.label, score=score.probability)
        size = ImageSize(result.image_width_px, result.image_height_px)
        results = [
            encode_result(
                replace(annotation, label=label),
                control.tag,
                size=size,
                result_id=_result_id(task_id, view.version, control, number),
            )
            for control, label in labeled
            for number, annotation in enumerate(regions if has_regions(control) else (whole,))
        ]
        return encode_prediction(results, model_version=view.version, score=score.probability)

    def _regions(
        self, result: Result, options: BackendOptions, *, masks: bool
    ) -> tuple[Annotation, ...]:
        signed = self._read_map(result)
        pixels = result.image_width_px * result.image_height_px
        # Each region has a mask of one byte per pixel.
        extra = pixels * options.components // BYTES_PER_PIXEL if masks else 0
        with self._pixels.reserve(pixels + extra):
            segmentation = Segmentation(
                signed,
                rectangle=result.covers,
                width_px=result.image_width_px,
                height_px=result.image_height_px,
                threshold=options.threshold,
            )
            described = describe_regions(
                segmentation,
                result,
                index=0,
                rule=options.threshold,
                polarity="positive",
                components=options.components,
            )
            mask = segmentation.mask(options.components) > 0 if masks else None
            return map_annotations(described, mask)

    def _read_map(self, result: Result) -> MapArray:
        """Read the first map `(map_height, map_width)`."""
        first: MapArray = maps.decode_npy(self._store.get(result.objects["map"]))[0]
        return first


def _result_id(task_id: int | None, version: str, control: Control, number: int) -> str:
    """Return the same id for the same region, so that a prediction made twice is the same."""
    parts = (str(task_id), version, control.tag.from_name, str(number))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_ID_DIGITS]
