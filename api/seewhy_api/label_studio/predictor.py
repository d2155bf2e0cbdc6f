"""Answer requests for predictions: submit the tasks, wait for some time, return what is ready."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from seewhy.catalog.catalog import Catalog
from seewhy.errors import ObjectNotFound, ResultNotReady, SeewhyError
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import JobState, Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.result import Result
from seewhy.schemas.targets import RequestedTargets
from seewhy_api.http.auth import Caller
from seewhy_api.label_studio.class_mapping import ClassMapping
from seewhy_api.label_studio.label_config import parse_label_config
from seewhy_api.label_studio.model_version import model_version
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.prediction import PredictionBuilder, ProjectView
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.requests import PredictRequest, Task, drawn_label
from seewhy_api.label_studio.task_images import TaskImages

BATCH_WAIT_S = 50.0
"""For a request with several tasks: Label Studio waits 100 s, and proxies in front of it 60 s."""
SUBMISSIONS_AT_ONCE = 8
"""Of one process: most of the time of a submission is reading the image."""

ReadJob = Callable[[str, float], JobRecord | None]
"""(job id, seconds to wait for the outcome) → its record."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task has no prediction."""

    task: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """One entry for each task, in order, and what is wrong with some."""

    version: str
    entries: tuple[dict[str, Any] | list[dict[str, Any]], ...]
    errors: tuple[TaskError, ...]
    unmapped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """One request for predictions, and what its tasks share."""

    view: ProjectView
    caller: Caller
    token: str | None
    targets: RequestedTargets
    priority: Priority
    project: str
    ends_at_s: float

    def remaining_s(self) -> float:
        return max(0.0, self.ends_at_s - time.monotonic())


class Predictor:
    """Predicts for tasks. One per process, used by many threads."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        default_model: str,
        submit_service: SubmitService,
        read_job: ReadJob,
        images: TaskImages,
        predictions: PredictionBuilder,
        projects: Projects,
    ) -> None:
        """Explain tasks with `submit_service`, and wait for their jobs with `read_job`."""
        self._catalog = catalog
        self._default_model = default_model
        self._submit_service = submit_service
        self._read_job = read_job
        self._images = images
        self._predictions = predictions
        self._projects = projects
        self._executor = ThreadPoolExecutor(
            SUBMISSIONS_AT_ONCE, thread_name_prefix="label-studio-tasks"
        )

    def view(self, label_config: str, options: BackendOptions) -> ProjectView:
        """Check a project. Raises `InvalidRequest` or a subclass for a mistake in it."""
        config = parse_label_config(label_config)
        spec = self._catalog.get(options.model or self._default_model)
        return ProjectView(
            config=config,
            mapping=ClassMapping(config, options, spec.labels),
            options=options,
            version=model_version(spec, options, label_config),
        )

    def predict(self, request: PredictRequest, caller: Caller) -> Predictions:
        """Predict for the tasks of a request, within the time that it may wait.

        A task that is not ready, or that fails, has an entry without a prediction: in the editor
        one without regions, and otherwise an empty list, so that Label Studio stores nothing for
        it. Raises `InvalidRequest` or a subclass for a mistake in the project, and
        `StoreUnavailable`.
        """
        started_s = time.monotonic()
        tenant = caller.context.tenant
        project = self._projects.read(request.project, tenant=tenant)
        view = self.view(request.label_config, project.options)
        is_batch = len(request.tasks) > 1
        call = _Call(
            view=view,
            caller=caller,
            token=project.token,
            targets=_targets(request, view),
            priority=Priority.BATCH if is_batch else Priority.INTERACTIVE,
            project=request.project,
            ends_at_s=started_s + (BATCH_WAIT_S if is_batch else view.options.wait_s),
        )
        # A request that is malformed is malformed for every task.
        self._submit_service.validate(_explanation(call, None), caller.context, caller.quotas)
        outcomes = self._outcomes(request.tasks, call)
        nothing: dict[str, Any] | list[dict[str, Any]] = (
            {"model_version": view.version, "result": []} if request.is_interactive else []
        )
        return Predictions(
            version=view.version,
            entries=tuple(one if isinstance(one, dict) else nothing for one in outcomes),
            errors=tuple(one for one in outcomes if isinstance(one, TaskError)),
            unmapped=view.mapping.unmapped,
        )

    def _outcomes(
        self, tasks: Sequence[Task], call: _Call
    ) -> list[dict[str, Any] | TaskError | None]:
        """Return for each task its prediction, an error, or None if it is not ready."""
        if len(tasks) == 1:  # in the thread of the request: a batch must not delay the editor
            (task,) = tasks
            return [self._outcome(task, lambda: self._submit(task, call), call)]
        submitted = [self._executor.submit(self._submit, task, call) for task in tasks]
        return [
            self._outcome(task, future.result, call)
            for task, future in zip(tasks, submitted, strict=True)
        ]

    def _outcome(
        self, task: Task, submit: Callable[[], str | None], call: _Call
    ) -> dict[str, Any] | TaskError | None:
        """Return what became of a task. Never raises: other tasks may be ready."""
        try:
            job_id = submit()
            return self._prediction(task, job_id, call) if job_id else None
        except SeewhyError as error:
            _log.info("Cannot predict for task %s: %s", task.id, error)
            return TaskError(task.id, str(error))
        except Exception:  # noqa: BLE001
            _log.exception("Cannot predict for task %s", task.id)
            return TaskError(task.id, "Internal error. The server's log has the details.")

    def _submit(self, task: Task, call: _Call) -> str | None:
        """Submit a task and return its job; None when the time of a batch is up."""
        if call.priority is Priority.BATCH and not call.remaining_s():
            return None
        source = self._images.source(task, call.view.config.image_field, token=call.token)
        accepted = self._submit_service.accept(
            source,
            _explanation(call, task),
            key=None,
            context=call.caller.context,
            quotas=call.caller.quotas,
        )
        return accepted.job_id

    def _prediction(self, task: Task, job_id: str, call: _Call) -> dict[str, Any] | None:
        """Wait for a job and return its prediction; None if it is not ready.

        Raises `ResultNotReady` when it ended without a result.
        """
        record = self._read_job(job_id, call.remaining_s())
        if record is None or not record.state.terminal:
            return None
        if record.state is not JobState.SUCCEEDED or record.result is None:
            raise ResultNotReady(record.error_detail or f"The explanation has {record.state}.")
        result = Result.model_validate_json(record.result)
        try:
            return self._predictions.build(result, call.view, task_id=task.id)
        except ObjectNotFound as error:
            raise ResultNotReady("The result is past its retention.") from error


def _targets(request: PredictRequest, view: ProjectView) -> RequestedTargets:
    """Return the class of the label that was drawn; the most probable class without one."""
    drawn = drawn_label(request.context)
    class_index = view.mapping.class_of(*drawn) if drawn else None
    return "predicted" if class_index is None else [class_index]


def _explanation(call: _Call, task: Task | None) -> ExplanationRequest:
    options = call.view.options
    return ExplanationRequest(
        model=options.model,
        method=options.method,
        layer=options.layer,
        targets=call.targets,
        threshold=options.threshold,
        outputs=(),
        priority=call.priority,
        metadata={"label_studio": {"project": call.project, "task": task.id if task else None}},
    )
