"""What waits in the inbox: events of Label Studio's webhook, and the late tasks of batches."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, JsonValue

from seewhy.ledger.types import Quotas
from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.context import RequestContext
from seewhy.storage.agreement_keys import ProjectKey
from seewhy_api.label_studio.request_bodies import parse_body
from seewhy_api.label_studio.requests import Task

MAX_DELETED = 10_000
"""Annotations of one event."""
_MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=0, le=_MAX_ID)]


class Action(StrEnum):
    """The events that are not ignored."""

    CREATED = "ANNOTATION_CREATED"
    UPDATED = "ANNOTATION_UPDATED"
    DELETED = "ANNOTATIONS_DELETED"


class WebhookEvent(StoredModel):
    """An event of a project."""

    action: str = Field(
        max_length=255,
        description="ANNOTATION_CREATED, ANNOTATION_UPDATED and ANNOTATIONS_DELETED are handled, "
        "with the annotation, the project and the task that Label Studio sends. Others are "
        "ignored.",
    )


class DeletionProject(StoredModel):
    """The project of a deletion."""

    id: Id
    created_at: AwareDatetime

    @property
    def key(self) -> ProjectKey:
        """Its key: another project may have its id once Label Studio starts anew."""
        return ProjectKey(self.id, max(0, int(self.created_at.timestamp())))


class Project(DeletionProject):
    """The project of any other event."""

    label_config: str

    @property
    def name(self) -> str:
        """The name by which Label Studio sets up its ML backends."""
        return f"{self.key.id}.{self.key.created_s}"


class AnnotationState(StoredModel):
    """An annotation after a change."""

    id: Id
    result: tuple[dict[str, JsonValue], ...] = ()
    was_cancelled: bool = False
    """Whether the task was skipped."""
    updated_at: AwareDatetime

    @property
    def updated_ms(self) -> int:
        """When it was changed, in ms since 1970."""
        return max(0, round(self.updated_at.timestamp() * 1000))


class AnnotatedTask(Task):
    """The task of an annotation."""

    id: Id


class AnnotationChanged(StoredModel):
    """That an annotation was created or updated."""

    action: Literal[Action.CREATED, Action.UPDATED]
    annotation: AnnotationState
    project: Project
    task: AnnotatedTask


class DeletedAnnotation(StoredModel):
    """The id of an annotation."""

    id: Id


class AnnotationsDeleted(StoredModel):
    """That annotations were deleted."""

    action: Literal[Action.DELETED]
    annotations: tuple[DeletedAnnotation, ...] = Field(max_length=MAX_DELETED)
    project: DeletionProject


class LateTasksEvent(StoredModel):
    """That a batch had no time to read the images of some tasks. Label Studio sends none."""

    action: Literal["LATE_TASKS"] = "LATE_TASKS"
    project: str
    settings: str
    """The name of what their predictions are made with."""
    tasks: tuple[Task, ...]


Event = AnnotationChanged | AnnotationsDeleted


class StoredEvent(StoredModel):
    """An event that waits to be handled, and for whom."""

    context: RequestContext
    quotas: Quotas | None
    """Those of the API key in the context."""
    event: Annotated[Event | LateTasksEvent, Field(discriminator="action")]


def parse_event(body: bytes) -> Event | None:
    """Parse an event; None for one that is ignored.

    Raises `RequestTooLarge` and pydantic's `ValidationError`.
    """
    action = parse_body(WebhookEvent, body).action
    if action == Action.DELETED:
        return parse_body(AnnotationsDeleted, body)
    if action in {Action.CREATED, Action.UPDATED}:
        return parse_body(AnnotationChanged, body)
    return None
