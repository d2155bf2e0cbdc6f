"""Tasks of a batch whose images were not read within its time: their images are read later.

They wait in the inbox of events, so they survive the process. Their predictions are pushed.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Sequence

from seewhy.catalog.catalog import Catalog
from seewhy.errors import (
    IdempotencyKeyBusy,
    ImageUnreachable,
    Overloaded,
    SeewhyError,
    Unavailable,
)
from seewhy.storage.keys import push_settings_key
from seewhy.storage.port import ObjectStore
from seewhy_api.http.auth import Caller
from seewhy_api.label_studio.annotation_events import LateTasksEvent, StoredEvent
from seewhy_api.label_studio.project_view import view_project
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.push import Pushes, PushSettings
from seewhy_api.label_studio.requests import Task
from seewhy_api.label_studio.task_jobs import Call, TaskJobs

TASKS_PER_EVENT = 20
"""The images of one event are read one after the other, and all of them again if one fails."""
EVENT_TIME_S = 20.0
"""After that, an event with images that cannot be read is tried again later."""

_log = logging.getLogger(__name__)


class LateTasks:
    """Submits tasks that a request had no time for. Thread-safe; an event may be handled twice."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: ObjectStore,
        projects: Projects,
        jobs: TaskJobs,
        pushes: Pushes,
    ) -> None:
        """Submit tasks with `jobs`, as the push settings in `store` say."""
        self._catalog = catalog
        self._store = store
        self._projects = projects
        self._jobs = jobs
        self._pushes = pushes

    def handle(self, event: LateTasksEvent, stored: StoredEvent) -> None:
        """Submit the tasks of an event, which `stored` has with what its request may use.

        Raises `Unavailable`, `Overloaded`, `IdempotencyKeyBusy` or `ImageUnreachable` when one of
        them may succeed later, and `ObjectNotFound` when the push settings are past their
        retention.
        """
        tenant = stored.context.tenant
        body = self._store.get(push_settings_key(event.settings, tenant=tenant))
        settings = PushSettings.model_validate_json(body)
        call = Call(
            view=view_project(
                settings.label_config,
                settings.options,
                spec=self._catalog.get(settings.model),
                version=settings.version,
            ),
            caller=Caller(context=stored.context, quotas=stored.quotas),
            token=self._projects.read(event.project, tenant=tenant).token,
            targets="predicted",
            project=event.project,
            started_ms=0,
            ends_at_s=math.inf,
            is_batch=True,
            push_settings=event.settings,
        )
        try:
            self._submit(event.tasks, call)
        finally:
            self._pushes.wake()  # some may have ended when they were submitted

    def _submit(self, tasks: Sequence[Task], call: Call) -> None:
        """Submit tasks, each time in another order: no image keeps the others from being read."""
        ends_s = time.monotonic() + EVENT_TIME_S
        unread: ImageUnreachable | None = None
        for task in random.sample(tasks, len(tasks)):
            if unread and time.monotonic() > ends_s:
                break
            try:
                self._jobs.submit(task, call)
            except (Unavailable, Overloaded, IdempotencyKeyBusy):
                raise
            except ImageUnreachable as error:
                unread = error
            except SeewhyError as error:
                _log.warning("Cannot predict for task %s: %s", task.id, error)
        if unread:
            raise unread


def keep_for_later(
    tasks: Sequence[Task], call: Call, settings: str, *, accept: Callable[[StoredEvent], None]
) -> None:
    """Put the tasks of a request into an inbox, to be pushed with these settings.

    Raises `RequestTooLarge`, `QueueFull` and `StoreUnavailable`; some may be in it then.
    """
    field = call.view.config.image_field
    for start in range(0, len(tasks), TASKS_PER_EVENT):
        event = LateTasksEvent(
            project=call.project,
            settings=settings,
            tasks=tuple(
                Task(id=task.id, data={field: task.data[field]} if field in task.data else {})
                for task in tasks[start : start + TASKS_PER_EVENT]
            ),
        )
        accept(StoredEvent(context=call.caller.context, quotas=call.caller.quotas, event=event))
