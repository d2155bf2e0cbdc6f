"""What the agreement of an explanation is measured with, stored until the job has ended."""

from typing import Any

from pydantic import JsonValue

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.job import Job
from seewhy_api.label_studio.annotation_events import AnnotationState
from seewhy_api.label_studio.push import METADATA, PushInputs


class AgreementInputs(PushInputs):
    """An annotation, and how the labels of its project are read."""

    annotation: AnnotationState


class AgreementTarget(StoredModel):
    """Which annotation a job is for, in the job's metadata."""

    project: int
    task: int
    annotation: int
    settings: str

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """The metadata of the job."""
        return {METADATA: self.model_dump()}


def target_of(job: Job) -> AgreementTarget:
    """Return which annotation a job is for. Raises `ValueError` when it is for none."""
    target: Any = job.metadata.get(METADATA)
    return AgreementTarget.model_validate(target)


def is_for_annotation(job: Job) -> bool:
    """Whether a job is for an annotation, not for a prediction."""
    target: Any = job.metadata.get(METADATA)
    return isinstance(target, dict) and "annotation" in target
