"""What the agreement of an explanation is measured with, stored until the job has ended."""

from typing import Any

from pydantic import JsonValue

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.job import Job
from seewhy.storage.agreement_keys import ProjectKey
from seewhy_api.label_studio.annotation_events import AnnotationState
from seewhy_api.label_studio.push import METADATA, PushInputs


class AgreementInputs(PushInputs):
    """An annotation, and how the labels of its project are read."""

    annotation: AnnotationState


class AnnotationReference(StoredModel):
    """Which annotation a job is for, in the job's metadata."""

    project: int
    project_created_s: int
    task: int
    annotation: int
    inputs: str
    """The name of what the agreement is measured with."""

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """The metadata of the job."""
        return {METADATA: self.model_dump()}

    @property
    def project_key(self) -> ProjectKey:
        """The project, whose agreements are stored together."""
        return ProjectKey(self.project, self.project_created_s)


def annotation_of(job: Job) -> AnnotationReference:
    """Return which annotation a job is for. Raises `ValueError` when it is for none."""
    reference: Any = job.metadata.get(METADATA)
    return AnnotationReference.model_validate(reference)


def is_for_annotation(job: Job) -> bool:
    """Whether a job is for an annotation, not for a prediction."""
    reference: Any = job.metadata.get(METADATA)
    return isinstance(reference, dict) and "annotation" in reference
