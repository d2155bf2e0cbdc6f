"""A prediction of Label Studio from the result of an explanation."""

import hashlib
from dataclasses import replace
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.annotations.label_studio.results import ResultType, encode_prediction, encode_result
from seewhy.annotations.map_annotations import map_annotations
from seewhy.imaging import maps
from seewhy.imaging.arrays import MapArray
from seewhy.imaging.geometry import scaled_rectangle
from seewhy.imaging.pixel_budget import BYTES_PER_PIXEL, PixelBudget
from seewhy.imaging.pointing import mean_in_box
from seewhy.imaging.regions.description import describe_regions
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.geometry import Rectangle
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

    def build(
        self,
        result: Result,
        view: ProjectView,
        *,
        task_id: int | None,
        place: Rectangle | None = None,
    ) -> dict[str, Any]:
        """Return the prediction of a task.

        Each control tag with a label for the explained class shows it. If several classes were
        explained, that is the first, or the one with the most evidence at a `place`, which is in
        shares of the sides of the image. Raises `ObjectNotFound` past the retention,
        `TooManyRenderings` and `StoreUnavailable`.
        """
        shown = self._target_at(place, result, view) if place else 0
        score = result.targets[shown].score
        labeled = [
            (control, label)
            for control in view.config.controls
            if (label := view.mapping.label_of(control, score.index)) is not None
        ]
        regions: tuple[Annotation, ...] = ()
        if any(has_regions(control) for control, _ in labeled):
            regions = self._regions(
                result,
                shown,
                view.options,
                masks=any(each.tag.type in _MASKS for each, _ in labeled),
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

    def _target_at(self, place: Rectangle, result: Result, view: ProjectView) -> int:
        """Return the number of the target with the most evidence at a place.

        Targets of the same scale, logits, are compared. Without evidence there, it is the first.
        Classes without a label do not count.
        """
        box = scaled_rectangle(place, x_scale=result.image_width_px, y_scale=result.image_height_px)
        best, most = 0, 0.0
        signed = self._read_maps(result)
        for number, target in enumerate(result.targets):
            mean = mean_in_box(signed[number], covers=result.covers, box=box)
            if mean is not None and mean > most and view.shows(target.score.index):
                best, most = number, mean
        return best

    def _regions(
        self, result: Result, shown: int, options: BackendOptions, *, masks: bool
    ) -> tuple[Annotation, ...]:
        signed = self._read_maps(result)[shown]
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
                index=shown,
                rule=options.threshold,
                polarity="positive",
                components=options.components,
            )
            mask = segmentation.mask(options.components) > 0 if masks else None
            return map_annotations(described, mask)

    def _read_maps(self, result: Result) -> MapArray:
        """Read the maps `(targets, map_height, map_width)`."""
        return maps.decode_npy(self._store.get(result.objects["map"]))


def _result_id(task_id: int | None, version: str, control: Control, number: int) -> str:
    """Return the same id for the same region, so that a prediction made twice is the same."""
    parts = (str(task_id), version, control.tag.from_name, str(number))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_ID_DIGITS]
