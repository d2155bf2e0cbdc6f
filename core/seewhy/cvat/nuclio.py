"""The serverless form of the function: one HTTP request of CVAT's server for each frame.

A nuclio function folder calls it, see `infra/cvat`. It does not need cvat-sdk.
"""

import base64
import json
import logging
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from seewhy.annotations.cvat.detections import encode_detection
from seewhy.annotations.cvat.shapes import ShapeType
from seewhy.client import ClientError, ExplanationFailed, RequestRejected, WaitTimedOut
from seewhy.cvat.detector import Detector, connect
from seewhy.cvat.options import DetectorOptions
from seewhy.errors import InvalidAnnotation, InvalidRequest, SeewhyError
from seewhy.quoting import quote_mistake

_OF_THE_IMAGE = {400, 413, 415, 422}
_log = logging.getLogger(__name__)


class LabelSpec(BaseModel):
    """A label in the annotation `spec` of a function; other fields are ignored."""

    name: str
    type: ShapeType = ShapeType.MASK


class Call(BaseModel):
    """The request of CVAT's server for a frame; other fields are ignored."""

    image: str
    """A file, as base64."""
    threshold: float | None = Field(None, ge=0, le=1)


class Answer(NamedTuple):
    """What the function answers: an HTTP status, and a body in JSON."""

    status: int
    body: str


class NuclioFunction:
    """Answers the requests of CVAT's server. Its labels are those of the function's `spec`."""

    def __init__(self, spec: str, options: str) -> None:
        """Read the `spec` of `function.yaml` and the options, each in JSON.

        Nothing is sent yet. Raises `InvalidRequest` for a mistake in either.
        """
        try:
            labels = TypeAdapter(list[LabelSpec]).validate_json(spec)
            parameters = TypeAdapter(dict[str, Any]).validate_json(options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidRequest(f"{error.title} {where}: {quote_mistake(first)}") from error
        self._shapes = {label.name: label.type for label in labels}
        self._options = DetectorOptions.parse(parameters)
        unknown = self._options.alias.keys() - self._shapes.keys()
        if unknown:
            listed = ", ".join(sorted(unknown))
            raise InvalidRequest(f"alias: the spec has no label {listed}")

    def answer(self, body: object) -> Answer:
        """Return the detections of a frame; a mistake has a status and a sentence as `detail`."""
        try:
            fields = json.loads(body) if isinstance(body, bytes | str) else body
            call = Call.model_validate(fields)
            image = base64.b64decode(call.image, validate=True)
        except ValueError:
            detail = "The request must have `image`, a file as base64, and may have `threshold`."
            return _failure(HTTPStatus.BAD_REQUEST, detail)
        try:
            annotations = self._detector.detect(
                image, shape_of=self._shapes.__getitem__, min_score=call.threshold
            )
        except (ClientError, InvalidAnnotation, InvalidRequest) as error:
            _log.warning("a frame was not explained: %s", error)
            return _failure(_status_of(error), str(error))
        # One at a time: a mask is a list of all pixels of its box.
        detections = (
            json.dumps(encode_detection(one, self._shapes[one.label])) for one in annotations
        )
        return Answer(HTTPStatus.OK, f"[{', '.join(detections)}]")

    @cached_property
    def _detector(self) -> Detector:
        """Connect when the first frame comes, so that the service may start later."""
        return Detector(connect(self._options), self._options, labels=list(self._shapes))


def _status_of(error: SeewhyError) -> int:
    """Return a status that CVAT's interface does not take for one of CVAT, such as 401."""
    match error:
        case RequestRejected() if error.status in _OF_THE_IMAGE:
            return error.status
        case ExplanationFailed():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case WaitTimedOut():
            return HTTPStatus.GATEWAY_TIMEOUT
        case _:
            return HTTPStatus.BAD_GATEWAY


def _failure(status: int, detail: str) -> Answer:
    return Answer(status, json.dumps({"detail": detail}))
