"""Measure the agreement of an explanation with its annotation once the job has ended."""

import logging
from functools import partial

from seewhy.annotations.annotation import ImageSize
from seewhy.catalog.catalog import Catalog
from seewhy.errors import InvalidAnnotation, ObjectNotFound
from seewhy.imaging import maps
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.imaging.regions.agreement import measure_agreement
from seewhy.ledger.types import JobRecord
from seewhy.schemas.agreement import Agreement, MeasuredAgreement
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result
from seewhy.storage.agreement_keys import AgreementKey
from seewhy.storage.keys import push_settings_key
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.agreement_inputs import (
    AgreementInputs,
    AnnotationReference,
    annotation_of,
)
from seewhy_api.label_studio.agreements import MAX_OF_TASK, AgreementStore
from seewhy_api.label_studio.annotated_shapes import AnnotatedShapes
from seewhy_api.label_studio.project_view import view_project
from seewhy_api.label_studio.push import PUSH_TIMEOUT_S, Pushed
from seewhy_api.label_studio.task_scores import TaskScores
from seewhy_api.label_studio.task_turns import TaskTurns
from seewhy_api.outgoing.deadline import Deadline

_MASK_SHARE = 0.5
"""Of the pixels of an image, reserved for the masks that are compared: 6 bytes per pixel."""

STORED = "The agreement is stored."
PUSHED = "Label Studio has the agreement."

_log = logging.getLogger(__name__)


class AgreementMeasurer:
    """Measures and stores agreements, and writes them to Label Studio. Thread-safe."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: ObjectStore,
        pixels: PixelBudget,
        agreements: AgreementStore,
        scores: TaskScores | None,
        turns: TaskTurns,
    ) -> None:
        """Store what is measured in `agreements`; without `scores`, nowhere else."""
        self._catalog = catalog
        self._store = store
        self._pixels = pixels
        self._agreements = agreements
        self._scores = scores
        self._turns = turns

    def push(self, record: JobRecord) -> Pushed:
        """Measure the agreement of a job, store it and push it.

        If there is none, that of an earlier state of the annotation ends. May be repeated. Raises
        `LabelStudioError`, `Unavailable` or `Overloaded` when a later attempt may succeed, and
        `InvalidRequest`, `LookupError` or `ValueError` when none can.
        """
        deadline = Deadline(PUSH_TIMEOUT_S)
        tenant = record.context.tenant
        reference = annotation_of(Job.model_validate_json(record.job))
        try:
            body = self._store.get(push_settings_key(reference.inputs, tenant=tenant))
            inputs = AgreementInputs.model_validate_json(body)
            if record.result is None:
                self._end_earlier(record, reference, inputs, deadline)
                return Pushed(f"The explanation is {record.state}; there is no agreement.")
            result = Result.model_validate_json(record.result)
            agreement = self._measure(result, inputs)
        except ObjectNotFound:
            return Pushed("The result is past its retention.")
        except InvalidAnnotation as error:
            _log.info("Annotation %d has no agreement: %s", reference.annotation, error)
            self._end_earlier(record, reference, inputs, deadline)
            return Pushed(f"The annotation has no agreement: {error}.", is_refused=True)
        explained = result.targets[0].score
        measured = MeasuredAgreement(
            explanation=record.job_id,
            project=reference.project,
            task=reference.task,
            annotation=reference.annotation,
            annotated_at=inputs.annotation.updated_at,
            model=result.model,
            method=result.method,
            layer=result.layer,
            threshold=str(inputs.options.threshold),
            target=explained,
            is_predicted=explained.index == result.top[0].index,
            agreement=agreement,
        )
        return self._keep(measured, reference, inputs, tenant, deadline)

    def _keep(
        self,
        measured: MeasuredAgreement,
        reference: AnnotationReference,
        inputs: AgreementInputs,
        tenant: str,
        deadline: Deadline,
    ) -> Pushed:
        """Store an agreement, and push it."""
        with self._turns.take(reference.task, deadline):
            is_stored = self._agreements.put(
                measured,
                project=reference.project_key,
                updated_ms=inputs.annotation.updated_ms,
                tenant=tenant,
            )
            if not is_stored:
                return Pushed(f"A task has at most {MAX_OF_TASK:,} agreements.", is_refused=True)
            if self._scores is None:
                return Pushed(STORED)
            if self._write_score(self._scores, reference, tenant, deadline):
                return Pushed(PUSHED)
            return Pushed("Label Studio refuses the agreement: it has deleted the task.", True)

    def _end_earlier(
        self,
        record: JobRecord,
        reference: AnnotationReference,
        inputs: AgreementInputs,
        deadline: Deadline,
    ) -> None:
        """End the agreement of an earlier state of the annotation, here and in Label Studio."""
        tenant = record.context.tenant
        key = AgreementKey(
            task=reference.task,
            annotation=reference.annotation,
            updated_ms=inputs.annotation.updated_ms,
            energy="empty",
            job_id=record.job_id,
        )
        with self._turns.take(reference.task, deadline):
            self._agreements.put_empty(key, project=reference.project_key, tenant=tenant)
            if self._scores:
                self._write_score(self._scores, reference, tenant, deadline)

    def _write_score(
        self, scores: TaskScores, reference: AnnotationReference, tenant: str, deadline: Deadline
    ) -> bool:
        read = partial(
            self._agreements.energy_of,
            reference.task,
            project=reference.project_key,
            tenant=tenant,
        )
        return scores.write(reference.task, read, deadline=deadline)

    def _measure(self, result: Result, inputs: AgreementInputs) -> Agreement:
        """Compare the map with the annotated pixels.

        Raises `InvalidAnnotation`, `ObjectNotFound` past the retention and `TooManyRenderings`.
        """
        view = view_project(
            inputs.label_config,
            inputs.options,
            spec=self._catalog.get(inputs.model),
            version="",
        )
        shapes = AnnotatedShapes(inputs.annotation.result, view)
        signed = maps.decode_npy(self._store.get(result.objects["map"]))[0]
        size = ImageSize(result.image_width_px, result.image_height_px)
        with self._pixels.reserve(round(size.pixels * (1 + _MASK_SHARE))):
            mask = shapes.pixels(result.targets[0].score.index, size)
            return measure_agreement(
                signed, covers=result.covers, mask=mask, threshold=inputs.options.threshold
            )
