"""A detection function for cvat-sdk and cvat-cli: `--function-module seewhy.cvat.function`.

It runs beside CVAT, in `cvat-cli task auto-annotate` or `cvat-cli function run-agent`, and needs
the package `cvat-sdk` of the version of the CVAT server. docs/cvat.md shows how.
"""

import io
import logging
from collections.abc import Sequence
from typing import Any

import cvat_sdk.auto_annotation as cvataa
from PIL import Image

from seewhy.annotations.annotation import Annotation
from seewhy.annotations.cvat.shapes import ShapeType, encode_points
from seewhy.client import ExplanationFailed, RequestRejected
from seewhy.cvat.detector import Detector, connect
from seewhy.cvat.options import FunctionOptions

MAX_PNG_BYTES = 8_000_000
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
_log = logging.getLogger(__name__)


class DetectionFunction:
    """The interface `cvat_sdk.auto_annotation.DetectionFunction`."""

    spec: cvataa.DetectionFunctionSpec
    """The labels. Ids are their positions; the type of each is the shape."""

    def __init__(self, detector: Detector, options: FunctionOptions) -> None:
        """Offer the labels of the detector."""
        self._detector = detector
        self._options = options
        self._ids = {name: position for position, name in enumerate(detector.labels)}
        labels = [
            cvataa.label_spec(name, position, type=options.shape)
            for name, position in self._ids.items()
        ]
        self.spec = cvataa.DetectionFunctionSpec(labels=labels)

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: Image.Image
    ) -> Sequence[cvataa.DetectionAnnotation]:
        """Return the shapes of a frame, with at least the confidence that the context asks for.

        Raises `cvat_sdk.auto_annotation.BadFunctionError`, whose reason CVAT shows to its users,
        when the service refuses the image or cannot explain it, and `ClientError` otherwise.
        """
        shape = ShapeType(self._options.shape)
        if shape is ShapeType.MASK and context.conv_mask_to_poly:
            shape = ShapeType.POLYGON
        try:
            annotations = self._detector.detect(
                encode_frame(image), shape_of=lambda _: shape, min_score=context.conf_threshold
            )
        except (ExplanationFailed, RequestRejected) as error:
            if self._options.skip_failed:
                _log.warning("%s has no annotations: %s", context.frame_name, error)
                return []
            raise cvataa.BadFunctionError(f"{context.frame_name}: {error}") from error
        return [self._encode(one, shape) for one in annotations]

    def _encode(self, annotation: Annotation, shape: ShapeType) -> cvataa.DetectionAnnotation:
        score = {} if annotation.score is None else {"score": annotation.score}
        points = [float(number) for number in encode_points(annotation, shape)]
        label_id = self._ids[annotation.label]
        return cvataa.shape(label_id, type=shape.value, points=points, **score)


def create(**parameters: Any) -> DetectionFunction:
    """Create the function from the parameters of `cvat-cli`, see `FunctionOptions`.

    Raises `InvalidRequest` for a mistake in them, `UnknownClass`, and `ClientError` when the
    service does not answer or does not have the model.
    """
    options = FunctionOptions.parse(parameters)
    detector = Detector(connect(options), options, labels=options.labels)
    return DetectionFunction(detector, options)


def encode_frame(image: Image.Image) -> bytes:
    """Encode the pixels of a frame as they are, without EXIF, which could turn them.

    A gray or RGB frame of more than `MAX_PNG_BYTES` as PNG becomes a JPEG: services limit the size
    of files.
    """
    options: dict[str, Any] = {}
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
        options["icc_profile"] = None  # that of the other colors
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, **options)
    if file.tell() > MAX_PNG_BYTES and image.mode in {"L", "RGB"}:
        file = io.BytesIO()
        profile = {"icc_profile": image.info.get("icc_profile")}
        image.save(file, "JPEG", quality=95, subsampling=0, **(profile | options))
    return file.getvalue()
