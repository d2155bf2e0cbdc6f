"""Answer requests for predictions: submit the tasks, wait for some time, return what is ready."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import ObjectNotFound, ResultNotReady, SeewhyError
from seewhy.jobs.submit_service import check_names
from seewhy.ledger.types import DeliveryState, JobRecord
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.schemas.targets import RequestedTargets
from seewhy_api.http.auth import Caller
from seewhy_api.label_studio.class_mapping import require_labels
from seewhy_api.label_studio.client import ImageNotDelivered
from seewhy_api.label_studio.model_version import model_version
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.project_view import ProjectView, view_project
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.push import Pushes, PushSettings
from seewhy_api.label_studio.requests import PredictRequest, Task
from seewhy_api.label_studio.task_jobs import Call, TaskJob, TaskJobs, requested_explanation

BATCH_WAIT_S = 50.0
"""For a request with several tasks: Label Studio waits 100 s, and proxies in front of it 60 s."""
DELIVERY_MARGIN_S = 10.0
"""How long after the end of a job its push may be, for what is known of the times of pushes."""
CANDIDATES = 5
"""Of so many classes, the most probable first, the place of what was drawn selects one."""
SUBMISSIONS_AT_ONCE = 8
"""Of one process: most of the time of a submission is reading the image."""

ReadJob = Callable[[str, float], JobRecord | None]
"""(job id, seconds to wait for the outcome) → its record."""

KeepLate = Callable[[Sequence[Task], Call, str], None]
"""Takes the tasks of a batch whose images are read later, and the name of what their predictions
are pushed with. Raises `SeewhyError`."""

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


class Predictor:
    """Predicts for tasks. One per process, used by many threads."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        default_model: str,
        jobs: TaskJobs,
        read_job: ReadJob,
        predictions: PredictionBuilder,
        projects: Projects,
        pushes: Pushes | None,
        keep_late: KeepLate | None,
    ) -> None:
        """Submit tasks with `jobs`, and wait for their explanations with `read_job`.

        With `pushes`, predictions that are not in an answer reach Label Studio later. Then
        `keep_late` takes the tasks of a batch that it had no time for.
        """
        self._catalog = catalog
        self._default_model = default_model
        self._jobs = jobs
        self._read_job = read_job
        self._predictions = predictions
        self._projects = projects
        self._pushes = pushes
        self._keep_late = keep_late
        self._executor = ThreadPoolExecutor(
            SUBMISSIONS_AT_ONCE, thread_name_prefix="label-studio-tasks"
        )

    def set_up(self, label_config: str, options: BackendOptions) -> ProjectView:
        """Check a project without asking a server.

        Raises `InvalidRequest` or a subclass for a mistake in it. An alias of no label is one only
        here: a label may be removed later.
        """
        view = self._view(label_config, options)
        require_labels(view.config, options)
        check_names(requested_explanation(options), self._spec(options))
        return view

    def _spec(self, options: BackendOptions) -> ModelSpec:
        return self._catalog.get(options.model or self._default_model)

    def _view(self, label_config: str, options: BackendOptions) -> ProjectView:
        spec = self._spec(options)
        version = model_version(spec, options, label_config)
        return view_project(label_config, options, spec=spec, version=version)

    def predict(self, request: PredictRequest, caller: Caller) -> Predictions:
        """Predict for the tasks of a request, within the time that it may wait.

        A task that is not ready, or that fails, has an entry without a prediction: in the editor
        one without regions, and otherwise an empty list, so that Label Studio stores nothing for
        it. Raises `InvalidRequest` or a subclass for a mistake in the project, and
        `StoreUnavailable`.
        """
        started_s, started_ms = time.monotonic(), time.time_ns() // 1_000_000
        tenant = caller.context.tenant
        project = self._projects.read(request.project, tenant=tenant)
        view = self._view(request.label_config, project.options)
        is_batch = len(request.tasks) > 1
        targets, place = self._explained(request, view)
        pushed = self._push_settings(request, view)
        call = Call(
            view=view,
            caller=caller,
            token=project.token,
            targets=targets,
            place=place,
            project=request.project,
            is_batch=is_batch,
            started_ms=started_ms,
            push_settings=pushed.name if pushed else None,
            ends_at_s=started_s + (BATCH_WAIT_S if is_batch else view.options.wait_s),
        )
        self._jobs.check(call)
        if pushed and self._pushes:
            self._pushes.store(pushed, tenant=tenant)
        outcomes = self._outcomes(request.tasks, call)
        if pushed and self._pushes and None in outcomes:
            self._pushes.wake()  # some may have ended when they were submitted
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
        self, tasks: Sequence[Task], call: Call
    ) -> list[dict[str, Any] | TaskError | None]:
        """Return for each task its prediction, an error, or None if it is not in the answer."""
        if len(tasks) == 1:  # in the thread of the request: a batch must not delay the editor
            (task,) = tasks
            return [self._outcome(task, lambda: self._start(task, call), call)]
        late: set[int] = set()

        def start(place: int) -> TaskJob | None:
            try:
                if call.remaining_s():
                    return self._start(tasks[place], call)
            except ImageNotDelivered:
                if self._keep_late is None:
                    raise
            late.add(place)
            return None

        submitted = [self._executor.submit(start, place) for place in range(len(tasks))]
        outcomes = [
            self._outcome(task, future.result, call)
            for task, future in zip(tasks, submitted, strict=True)
        ]
        if late and (problem := self._keep(late, tasks, call)):
            for place in late:
                outcomes[place] = TaskError(tasks[place].id, problem)
        return outcomes

    def _keep(self, late: Iterable[int], tasks: Sequence[Task], call: Call) -> str | None:
        """Have the images of late tasks read after the answer; return why that fails, if so."""
        problem = f"The images were not read within {BATCH_WAIT_S:g} s."
        if self._keep_late is None or call.push_settings is None:
            return f"{problem} Retrieve predictions again."
        try:
            self._keep_late([tasks[place] for place in sorted(late)], call, call.push_settings)
        except SeewhyError as error:
            _log.warning("Some tasks have to be retrieved again: %s", error)
            return f"{problem} Retrieve predictions again: {error}"
        return None

    def _outcome(
        self, task: Task, start: Callable[[], TaskJob | None], call: Call
    ) -> dict[str, Any] | TaskError | None:
        """Return what became of a task. Never raises: other tasks may be ready."""
        try:
            job = start()
            return self._prediction(task, job, call) if job else None
        except SeewhyError as error:
            _log.info("Cannot predict for task %s: %s", task.id, error)
            return TaskError(task.id, str(error))
        except Exception:  # noqa: BLE001
            _log.exception("Cannot predict for task %s", task.id)
            return TaskError(task.id, "Internal error. The server's log has the details.")

    def _start(self, task: Task, call: Call) -> TaskJob | None:
        """Submit a task; None when it is pushed."""
        job = self._jobs.submit(task, call)
        return None if self._is_being_pushed(job, call) else job

    def _prediction(self, task: Task, job: TaskJob, call: Call) -> dict[str, Any] | None:
        """Return the prediction of a task; None if it is not ready, or is pushed.

        Raises `ResultNotReady` when the job ended without a result.
        """
        record = self._read_job(job.job_id, call.wait_s())
        if (record is None or not record.state.terminal) and job.source:
            # A second job with the same fingerprint computes nothing: it gets the same outcome.
            pushed = self._jobs.push(task, job.source, call)
            if pushed is None or self._is_being_pushed(pushed, call):
                return None
            record = self._read_job(pushed.job_id, 0)
        if record is None or not record.state.terminal:
            return None
        if record.state is not JobState.SUCCEEDED or record.result is None:
            raise ResultNotReady(record.error_detail or f"The explanation has {record.state}.")
        if call.is_batch and not call.remaining_s():
            return None
        result = Result.model_validate_json(record.result)
        try:
            return self._predictions.build(result, call.view, task_id=task.id, place=call.place)
        except ObjectNotFound as error:
            raise ResultNotReady("The result is past its retention.") from error

    def _is_being_pushed(self, job: TaskJob, call: Call) -> bool:
        """Whether a dispatcher pushes the prediction later, or may have done so since the request.

        Label Studio would store an answer as a second prediction. So only those are answered whose
        push has ended, of jobs that ended some time before the request, and jobs without a result.
        """
        if job.is_new or not job.is_pushed:
            return job.is_pushed
        record = self._read_job(job.job_id, 0)
        if record and record.state.terminal and record.state is not JobState.SUCCEEDED:
            return False
        return (
            record is None
            or record.webhook is None
            or record.webhook.state in {DeliveryState.WAITING, DeliveryState.PENDING}
            or record.finished_ms is None
            or record.finished_ms > call.started_ms - DELIVERY_MARGIN_S * 1_000
        )

    def _explained(
        self, request: PredictRequest, view: ProjectView
    ) -> tuple[RequestedTargets, Rectangle | None]:
        """Return what is explained, and the place whose class is shown; None for the first class.

        The label of what was drawn names the class, or else the place of it selects one.
        """
        drawn = request.context.drawn if request.context else None
        if drawn is None:
            return "predicted", None
        class_index = view.mapping.class_of(drawn.from_name, drawn.label)
        if class_index is not None:
            return [class_index], None
        if drawn.place is None:
            return "predicted", None
        candidates = min(CANDIDATES, len(self._spec(view.options).labels))
        return f"top:{candidates}", drawn.place

    def _push_settings(self, request: PredictRequest, view: ProjectView) -> PushSettings | None:
        """Return what predictions are pushed with. An editor asks again, so it needs no push."""
        if self._pushes is None or request.is_interactive:
            return None
        return PushSettings(
            label_config=request.label_config,
            options=view.options,
            model=self._spec(view.options).name,
            version=view.version,
        )
