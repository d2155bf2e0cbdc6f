"""The jobs of tasks: an image and a request for each, and who gets the prediction."""

import time
from dataclasses import dataclass

from pydantic import JsonValue

from seewhy.jobs.image_sources import ImageSource
from seewhy.jobs.submit_service import AcceptedRequest, SubmitService
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import RequestedTargets
from seewhy_api.http.auth import Caller
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.project_view import ProjectView
from seewhy_api.label_studio.push import METADATA, Pushes, push_key
from seewhy_api.label_studio.requests import Task
from seewhy_api.label_studio.task_images import TaskImages

BATCH_BUILD_S = 5.0
"""What a batch keeps of its time to make predictions of the results that are ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request for predictions, and what its tasks share."""

    view: ProjectView
    caller: Caller
    token: str | None
    targets: RequestedTargets
    place: Rectangle | None = None
    """Of what was drawn, as shares of the sides of the image: selects one of the targets."""
    project: str
    started_ms: int
    """In ms since 1970."""
    ends_at_s: float
    is_batch: bool
    push_settings: str | None
    """The name of what pushed predictions are made with; None if none are pushed."""

    def remaining_s(self) -> float:
        """Return how long the request may still take."""
        return max(0.0, self.ends_at_s - time.monotonic())

    def wait_s(self) -> float:
        """Return how long the request may still wait for results."""
        return max(0.0, self.remaining_s() - (BATCH_BUILD_S if self.is_batch else 0))


@dataclass(frozen=True, slots=True)
class TaskJob:
    """The job of a task."""

    job_id: str
    is_pushed: bool
    is_new: bool
    """False when an earlier request submitted it, which only pushed ones can be."""
    source: ImageSource | None = None
    """The image of a single task. A batch keeps none: they may be many and large."""


class TaskJobs:
    """Submits tasks. Thread-safe."""

    def __init__(
        self, *, submit_service: SubmitService, images: TaskImages, pushes: Pushes | None
    ) -> None:
        """Read `images`, and submit them with `submit_service`. Without `pushes`, push nothing."""
        self._submit_service = submit_service
        self._images = images
        self._pushes = pushes

    def check(self, call: Call) -> None:
        """Raise `InvalidRequest` or a subclass when each task would be refused."""
        caller = call.caller
        request = _explanation(call, None, push_settings=None)
        self._submit_service.validate(request, caller.context, caller.quotas)

    def submit(self, task: Task, call: Call) -> TaskJob:
        """Read the image of a task, and submit it. Tasks of a batch are pushed if any are."""
        source = self._images.source(task, call.view.config.image_field, token=call.token)
        if call.is_batch and (pushed := self.push(task, source, call)):
            return pushed
        request = _explanation(call, task, push_settings=None)
        job_id = self._accept(source, request, call).job_id
        return TaskJob(
            job_id, is_pushed=False, is_new=True, source=None if call.is_batch else source
        )

    def push(self, task: Task, source: ImageSource, call: Call) -> TaskJob | None:
        """Submit a task whose prediction is pushed; None if the request pushes none."""
        settings = call.push_settings
        if self._pushes is None or settings is None or task.id is None:
            return None
        accepted = self._accept(
            source,
            _explanation(call, task, push_settings=settings),
            call,
            key=push_key(task.id, settings, source.identity, priority=_priority(call)),
            push_url=self._pushes.url(task.id),
        )
        return TaskJob(accepted.job_id, is_pushed=True, is_new=accepted.manifest is not None)

    def _accept(
        self,
        source: ImageSource,
        request: ExplanationRequest,
        call: Call,
        *,
        key: str | None = None,
        push_url: str | None = None,
    ) -> AcceptedRequest:
        caller = call.caller
        return self._submit_service.accept(
            source,
            request,
            key=key,
            context=caller.context,
            quotas=caller.quotas,
            push_url=push_url,
        )


def _explanation(call: Call, task: Task | None, *, push_settings: str | None) -> ExplanationRequest:
    target: dict[str, JsonValue] = {"project": call.project, "task": task.id if task else None}
    if push_settings is not None:
        target["settings"] = push_settings
    return requested_explanation(
        call.view.options,
        targets=call.targets,
        priority=_priority(call),
        metadata={METADATA: target},
    )


def _priority(call: Call) -> Priority:
    return Priority.BATCH if call.is_batch else Priority.INTERACTIVE


def requested_explanation(
    options: BackendOptions,
    *,
    targets: RequestedTargets = "predicted",
    priority: Priority = Priority.INTERACTIVE,
    metadata: dict[str, JsonValue] | None = None,
) -> ExplanationRequest:
    """Return the request that the options of a project stand for."""
    return ExplanationRequest(
        model=options.model,
        method=options.method,
        layer=options.layer,
        targets=targets,
        threshold=options.threshold,
        outputs=(),
        priority=priority,
        metadata=metadata or {},
    )
