"""Explain what was annotated: a job for each annotation, whose end is followed by its agreement."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection
from functools import partial

from seewhy.catalog.catalog import Catalog
from seewhy.jobs.submit_service import SubmitService
from seewhy.schemas.job import Priority
from seewhy.storage.agreement_keys import AgreementKey, ProjectKey
from seewhy_api.label_studio.agreement_inputs import AgreementInputs, AnnotationReference
from seewhy_api.label_studio.agreements import AgreementStore
from seewhy_api.label_studio.annotated_shapes import AnnotatedShapes
from seewhy_api.label_studio.annotation_events import (
    AnnotationChanged,
    AnnotationsDeleted,
    StoredEvent,
)
from seewhy_api.label_studio.model_version import model_version
from seewhy_api.label_studio.project_view import view_project
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.push import Pushes, push_key
from seewhy_api.label_studio.task_images import TaskImages
from seewhy_api.label_studio.task_jobs import requested_explanation
from seewhy_api.label_studio.task_scores import TaskScores
from seewhy_api.outgoing.deadline import Deadline

SCORE_TIMEOUT_S = 10.0
EVENT_TIME_S = 10.0
"""After that no further task of a deletion is begun before other events had their turn."""

NO_JOB = "00000000-0000-0000-0000-000000000000"
"""Stands for the job of an annotation that needs none."""

_log = logging.getLogger(__name__)


class AnnotationJobs:
    """Handles events. Thread-safe; an event may be handled twice."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        default_model: str,
        submit_service: SubmitService,
        projects: Projects,
        images: TaskImages,
        pushes: Pushes,
        agreements: AgreementStore,
        scores: TaskScores | None,
    ) -> None:
        """Submit jobs with `submit_service`; `pushes` names the outbox rows that follow them.

        Without `scores` nothing is written to Label Studio.
        """
        self._catalog = catalog
        self._default_model = default_model
        self._submit_service = submit_service
        self._projects = projects
        self._images = images
        self._pushes = pushes
        self._agreements = agreements
        self._scores = scores

    def handle(self, stored: StoredEvent) -> bool:
        """Submit the job of an annotation, or forget what was deleted.

        Returns False when there is more to do than fits into `EVENT_TIME_S`: call again. Raises
        `Unavailable`, `Overloaded`, `LabelStudioError` and `ImageUnreachable` when it may succeed
        later, and otherwise `InvalidRequest` or a subclass, and `BadImage`.
        """
        if isinstance(stored.event, AnnotationsDeleted):
            return self._delete(stored.event, tenant=stored.context.tenant)
        if isinstance(stored.event, AnnotationChanged):
            self._explain(stored.event, stored)
        return True

    def _delete(self, event: AnnotationsDeleted, *, tenant: str) -> bool:
        """Forget annotations task by task, the score first: a repetition finds what is left."""
        ends_s = time.monotonic() + EVENT_TIME_S
        project, by_task = event.project.key, defaultdict[int, list[AgreementKey]](list)
        annotations = {each.id for each in event.annotations}
        for key in self._agreements.mark_deleted(annotations, project=project, tenant=tenant):
            by_task[key.task].append(key)
        for done, (task, keys) in enumerate(by_task.items()):
            if done and time.monotonic() > ends_s:
                return False
            self._write_score(task, project=project, tenant=tenant, without=annotations)
            self._agreements.delete(keys, project=project, tenant=tenant)
        return True

    def _write_score(
        self, task: int, *, project: ProjectKey, tenant: str, without: Collection[int] = ()
    ) -> None:
        """Create, change or remove the score of a task."""
        if self._scores:
            read = partial(
                self._agreements.energy_of, task, project=project, tenant=tenant, without=without
            )
            self._scores.write(task, read, deadline=Deadline(SCORE_TIMEOUT_S))

    def _explain(self, event: AnnotationChanged, stored: StoredEvent) -> None:
        tenant, annotation = stored.context.tenant, event.annotation
        project = self._projects.read(event.project.name, tenant=tenant)
        config = event.project.label_config
        spec = self._catalog.get(project.options.model or self._default_model)
        version = model_version(spec, project.options, config)
        view = view_project(config, project.options, spec=spec, version=version)
        shapes = AnnotatedShapes(annotation.result, view)
        if annotation.was_cancelled or not shapes:
            _log.info("Annotation %d has no shapes, so it has no agreement", annotation.id)
            self._forget(event, tenant=tenant)
            return
        inputs = AgreementInputs(
            annotation=annotation, label_config=config, options=project.options, model=spec.name
        )
        index = shapes.class_index
        request = requested_explanation(
            project.options,
            targets="predicted" if index is None else [index],
            priority=Priority.BATCH,
            metadata=AnnotationReference(
                project=event.project.id,
                project_created_s=event.project.key.created_s,
                task=event.task.id,
                annotation=annotation.id,
                inputs=inputs.name,
            ).metadata,
        )
        source = self._images.source(event.task, view.config.image_field, token=project.token)
        self._pushes.store(inputs, tenant=tenant)
        self._submit_service.accept(
            source,
            request,
            key=push_key(event.task.id, inputs.name, source.identity, priority=Priority.BATCH),
            context=stored.context,
            quotas=stored.quotas,
            push_url=self._pushes.url(event.task.id),
        )
        self._pushes.wake()  # it may have ended when it was submitted

    def _forget(self, event: AnnotationChanged, *, tenant: str) -> None:
        key = AgreementKey(
            task=event.task.id,
            annotation=event.annotation.id,
            updated_ms=event.annotation.updated_ms,
            energy="empty",
            job_id=NO_JOB,
        )
        self._agreements.put_empty(key, project=event.project.key, tenant=tenant)
        self._write_score(event.task.id, project=event.project.key, tenant=tenant)
