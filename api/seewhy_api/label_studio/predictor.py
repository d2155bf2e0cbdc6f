"""Answer requests for predictions: submit the tasks, wait for some time, return what is ready."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from seewhy.catalog.catalog import Catalog
from seewhy.errors import ObjectNotFound, ResultNotReady, SeewhyError
from seewhy.jobs.image_sources import ImageSource
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.types import DeliveryState, JobRecord
from seewhy.schemas.job import JobState, Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.result import Result
from seewhy.schemas.targets import RequestedTargets
from seewhy_api.http.auth import Caller
from seewhy_api.label_studio.model_version import model_version
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.project_view import ProjectView, view_project
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.push import METADATA, Pushes, PushSettings, push_key
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
    is_batch: bool
    push_settings: str | None
    """The name of what pushed predictions are made with; None if none are pushed."""

    def pushes(self, task: Task) -> bool:
        return self.push_settings is not None and task.id is not None

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
        pushes: Pushes | None,
    ) -> None:
        """Explain tasks with `submit_service`, and wait for their jobs with `read_job`.

        With `pushes`, predictions that are not in an answer reach Label Studio later.
        """
        self._catalog = catalog
        self._default_model = default_model
        self._submit_service = submit_service
        self._read_job = read_job
        self._images = images
        self._predictions = predictions
        self._projects = projects
        self._pushes = pushes
        self._executor = ThreadPoolExecutor(
            SUBMISSIONS_AT_ONCE, thread_name_prefix="label-studio-tasks"
        )

    def view(self, label_config: str, options: BackendOptions) -> ProjectView:
        """Check a project. Raises `InvalidRequest` or a subclass for a mistake in it."""
        spec = self._catalog.get(options.model or self._default_model)
        version = model_version(spec, options, label_config)
        return view_project(label_config, options, spec=spec, version=version)

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
            is_batch=is_batch,
            push_settings=self._store_push_settings(request, view, tenant=tenant),
            ends_at_s=started_s + (BATCH_WAIT_S if is_batch else view.options.wait_s),
        )
        # A request that is malformed is malformed for every task.
        self._submit_service.validate(
            _explanation(call, None, is_pushed=False), caller.context, caller.quotas
        )
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
            return [self._outcome(task, lambda: self._start(task, call), call)]
        submitted = [self._executor.submit(self._start, task, call) for task in tasks]
        return [
            self._outcome(task, future.result, call)
            for task, future in zip(tasks, submitted, strict=True)
        ]

    def _outcome(
        self, task: Task, start: Callable[[], "_Started | None"], call: _Call
    ) -> dict[str, Any] | TaskError | None:
        """Return what became of a task. Never raises: other tasks may be ready."""
        try:
            started = start()
            return self._prediction(task, started, call) if started else None
        except SeewhyError as error:
            _log.info("Cannot predict for task %s: %s", task.id, error)
            return TaskError(task.id, str(error))
        except Exception:  # noqa: BLE001
            _log.exception("Cannot predict for task %s", task.id)
            return TaskError(task.id, "Internal error. The server's log has the details.")

    def _start(self, task: Task, call: _Call) -> "_Started | None":
        """Submit a task; None when the time of a batch is up.

        What a batch pushes it does not answer: Label Studio would store it twice.
        """
        if call.is_batch and not call.remaining_s():
            return None
        source = self._images.source(task, call.view.config.image_field, token=call.token)
        is_pushed = call.is_batch and call.pushes(task)
        return _Started(source, self._accept(source, task, call, is_pushed=is_pushed), is_pushed)

    def _accept(self, source: ImageSource, task: Task, call: _Call, *, is_pushed: bool) -> str:
        """Submit an image for a task, and return its job."""
        request = _explanation(call, task, is_pushed=is_pushed)
        context, quotas = call.caller.context, call.caller.quotas
        if not is_pushed or self._pushes is None or task.id is None:
            return self._submit_service.accept(
                source, request, key=None, context=context, quotas=quotas
            ).job_id
        return self._submit_service.accept(
            source,
            request,
            key=push_key(task.id, call.push_settings or "", source.identity),
            context=context,
            quotas=quotas,
            push_url=self._pushes.url(task.id),
        ).job_id

    def _prediction(self, task: Task, started: "_Started", call: _Call) -> dict[str, Any] | None:
        """Return the prediction of a task; None if it is not ready, or is pushed.

        Raises `ResultNotReady` when the job ended without a result.
        """
        wait_s = 0.0 if started.is_pushed else call.remaining_s()
        record = self._read_job(started.job_id, wait_s)
        if (record is None or not record.state.terminal) and not started.is_pushed:
            if not call.pushes(task):
                return None
            # A second job with the same fingerprint computes nothing: it gets the same outcome.
            job_id = self._accept(started.source, task, call, is_pushed=True)
            record = self._read_job(job_id, 0)
        if record is None or not record.state.terminal or self._is_being_pushed(record):
            return None
        if record.state is not JobState.SUCCEEDED or record.result is None:
            raise ResultNotReady(record.error_detail or f"The explanation has {record.state}.")
        result = Result.model_validate_json(record.result)
        try:
            return self._predictions.build(result, call.view, task_id=task.id)
        except ObjectNotFound as error:
            raise ResultNotReady("The result is past its retention.") from error

    def _is_being_pushed(self, record: JobRecord) -> bool:
        """Whether a dispatcher will push the outcome; wake one if so."""
        if record.webhook is None or record.webhook.state is not DeliveryState.PENDING:
            return False
        if self._pushes:
            self._pushes.wake()
        return True

    def _store_push_settings(
        self, request: PredictRequest, view: ProjectView, *, tenant: str
    ) -> str | None:
        """Store what predictions are made with. An editor asks again, so nothing is pushed to it.

        Raises `StoreUnavailable`.
        """
        if self._pushes is None or request.is_interactive:
            return None
        model = view.options.model or self._default_model
        return self._pushes.store(
            PushSettings(
                label_config=request.label_config,
                options=view.options,
                model=model,
                version=view.version,
            ),
            tenant=tenant,
        )


@dataclass(frozen=True, slots=True)
class _Started:
    """A submitted task."""

    source: ImageSource
    job_id: str
    is_pushed: bool


def _targets(request: PredictRequest, view: ProjectView) -> RequestedTargets:
    """Return the class of the label that was drawn; the most probable class without one."""
    drawn = drawn_label(request.context)
    class_index = view.mapping.class_of(*drawn) if drawn else None
    return "predicted" if class_index is None else [class_index]


def _explanation(call: _Call, task: Task | None, *, is_pushed: bool) -> ExplanationRequest:
    options = call.view.options
    target: dict[str, JsonValue] = {"project": call.project, "task": task.id if task else None}
    if is_pushed:
        target["settings"] = call.push_settings
    return ExplanationRequest(
        model=options.model,
        method=options.method,
        layer=options.layer,
        targets=call.targets,
        threshold=options.threshold,
        outputs=(),
        priority=call.priority,
        metadata={METADATA: target},
    )
