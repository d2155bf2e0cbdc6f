"""How the routes of the Label Studio backend describe themselves."""

from typing import Any, Literal

from pydantic import Field

from seewhy import errors
from seewhy_api.http.explanation_body import ResponseModel
from seewhy_api.label_studio.annotation_events import WebhookEvent
from seewhy_api.label_studio.requests import PredictRequest, SetupRequest
from seewhy_api.openapi.declarations import Answer, Body, Operation

TAG = "label-studio"
LABEL_CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="class" toName="image">'
    '<Choice value="tabby"/><Choice value="tiger cat"/></Choices></View>'
)

ANNOTATION_EVENT: dict[str, Any] = {
    "action": "ANNOTATION_CREATED",
    "annotation": {
        "id": 2,
        "updated_at": "2026-11-22T20:07:21.249042Z",
        "result": [
            {
                "from_name": "class",
                "to_name": "image",
                "type": "choices",
                "value": {"choices": ["tabby"]},
            }
        ],
    },
    "project": {
        "id": 4,
        "created_at": "2026-11-22T20:07:17.428570Z",
        "label_config": LABEL_CONFIG,
    },
    "task": {"id": 7, "data": {"image": "s3://photos/2026/cat.jpg"}},
}


class Health(ResponseModel):
    """That the backend serves requests."""

    status: Literal["UP"] = "UP"
    model_class: Literal["seewhy"] = "seewhy"


class SetUp(ResponseModel):
    """The state of a project."""

    model_version: str
    unmapped_labels: tuple[str, ...] = Field(
        description="The labels that name no class of the model. `alias` in the extra parameters "
        "maps them."
    )


class Versions(ResponseModel):
    """Model versions."""

    versions: tuple[str, ...]


class Received(ResponseModel):
    """That an event was received."""

    status: Literal["ok"] = "ok"


class FailedTask(ResponseModel):
    """Why a task has no prediction."""

    task: int | None = Field(description="The id of the task.")
    detail: str


class Predicted(ResponseModel):
    """The predictions of a request."""

    results: tuple[dict[str, Any] | list[dict[str, Any]], ...] = Field(
        description="For each task, in order, a prediction of Label Studio; without regions or an "
        "empty list while there is none."
    )
    model_version: str
    errors: tuple[FailedTask, ...]
    unmapped_labels: tuple[str, ...] = Field(
        description="The labels that name no class of the model."
    )


HEALTH = Operation(
    id="check_label_studio_backend",
    tag=TAG,
    answers=(Answer(description="The backend serves requests.", model=Health),),
)
SETUP = Operation(
    id="set_up_label_studio_project",
    tag=TAG,
    bodies=(
        Body(
            model=SetupRequest,
            examples={"a project": {"project": "1.1795378037", "schema": LABEL_CONFIG}},
            has_sample=True,
        ),
    ),
    answers=(Answer(description="The project is set up.", model=SetUp),),
    errors=(errors.InvalidRequest, errors.TooManyLargeBodies),
)
VERSIONS = Operation(
    id="list_label_studio_versions",
    tag=TAG,
    answers=(Answer(description="The versions.", model=Versions),),
)
PREDICT = Operation(
    id="predict_label_studio_tasks",
    tag=TAG,
    bodies=(
        Body(
            model=PredictRequest,
            examples={
                "one task": {
                    "tasks": [{"id": 1, "data": {"image": "s3://photos/2026/cat.jpg"}}],
                    "project": "1.1795378037",
                    "label_config": LABEL_CONFIG,
                    "params": {"context": None},
                }
            },
            has_sample=True,
        ),
    ),
    answers=(Answer(description="An entry for each task.", model=Predicted),),
    errors=(
        errors.InvalidRequest,
        errors.Unavailable,
        errors.TooManyPredictions,
        errors.TooManyLargeBodies,
    ),
)
WEBHOOK = Operation(
    id="receive_label_studio_event",
    tag=TAG,
    bodies=(
        Body(
            model=WebhookEvent,
            examples={"an annotation": ANNOTATION_EVENT},
            has_sample=True,
        ),
    ),
    answers=(Answer(description="The event is stored, or ignored.", model=Received),),
    errors=(
        errors.InvalidRequest,
        errors.StoreUnavailable,
        errors.QueueFull,
        errors.TooManyLargeBodies,
    ),
)
