"""Push predictions to Label Studio: those of explanations that end after the answer.

A push is a row of the outbox, as a webhook is: the ledger writes it in the step that ends the job,
and a dispatcher delivers it. Its URL has a scheme that no client can give a webhook.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from seewhy.catalog.catalog import Catalog
from seewhy.errors import ObjectNotFound
from seewhy.ledger.types import JobRecord
from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.job import Job, Priority
from seewhy.schemas.result import Result
from seewhy.storage.keys import push_settings_key
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.client import LabelStudioClient, Reply, require_answer
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.project_view import view_project
from seewhy_api.label_studio.task_predictions import list_predictions
from seewhy_api.label_studio.task_turns import TaskTurns
from seewhy_api.outgoing.deadline import Deadline

SCHEME = "labelstudio://"
METADATA = "label_studio"
PUSH_TIMEOUT_S = 25.0
"""Of a whole push: the lease of a dispatcher, 120 s, is enough for its four rounds of pushes."""
ASKING_TIMEOUT_S = 10.0
"""Of the steps until Label Studio has said that it has no prediction. In the 15 s that are left,
reading the map takes 5 s at most, and waiting to mark its regions `DRAWING_TIMEOUT_S`."""
DRAWING_TIMEOUT_S = 5.0
"""How long a push waits for its turn to mark the regions of an image."""


class PushInputs(StoredModel):
    """What a push is made with, stored until its job has ended."""

    label_config: str
    options: BackendOptions
    model: str

    @property
    def body(self) -> bytes:
        """Itself as JSON."""
        return self.model_dump_json().encode()

    @property
    def name(self) -> str:
        """A digest of it, by which jobs refer to it."""
        return hashlib.sha256(self.body).hexdigest()


class PushSettings(PushInputs):
    """What the predictions of a request are made with."""

    version: str


class PushTarget(StoredModel):
    """Which task a job is for, in the job's metadata."""

    task: int
    settings: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push, in a sentence."""

    detail: str
    is_refused: bool = False


def push_key(task: int, settings: str, image: str, *, priority: Priority) -> str:
    """Return the idempotency key of a push: one job for a task, a version and an image.

    A task that was sent alone has another job in a batch: requests with one key must not differ,
    and a batch must not delay a single task. The prediction is pushed once.
    """
    digest = hashlib.sha256(f"{task}\n{settings}\n{image}\n{priority}".encode()).hexdigest()
    return f"{METADATA} {digest}"


class Pushes:
    """What a request needs to have predictions pushed."""

    def __init__(
        self, label_studio_url: str, *, store: ObjectStore, wake: Callable[[], object]
    ) -> None:
        """Push to the Label Studio at this URL; `wake` wakes a dispatcher."""
        self._origin = SCHEME + label_studio_url.partition("://")[2].partition("/")[0]
        self._store = store
        self.wake = wake

    def url(self, task: int) -> str:
        """Return the URL of a push in the outbox. Pushes to one Label Studio share an origin."""
        return f"{self._origin}/tasks/{task}"

    def store(self, inputs: PushInputs, *, tenant: str) -> None:
        """Store what pushes are made with, or renew its retention. Raises `StoreUnavailable`."""
        key = push_settings_key(inputs.name, tenant=tenant)
        self._store.put(key, inputs.body, content_type="application/json")


class PredictionPusher:
    """Pushes predictions. Thread-safe."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: ObjectStore,
        client: LabelStudioClient,
        predictions: PredictionBuilder,
        turns: TaskTurns,
    ) -> None:
        """Push with `client` what `predictions` builds."""
        self._catalog = catalog
        self._store = store
        self._client = client
        self._predictions = predictions
        self._turns = turns

    def push(self, record: JobRecord) -> Pushed:
        """Push the prediction of a job unless Label Studio has it.

        The task and the model version identify a prediction, so one that was sent by a dispatcher
        that died before its report is not sent again. Raises `LabelStudioError`, `Unavailable` or
        `Overloaded` when a later attempt may succeed, and `InvalidRequest`, `LookupError` or
        `ValueError` when none can.
        """
        deadline, asking = Deadline(PUSH_TIMEOUT_S), Deadline(ASKING_TIMEOUT_S)
        if record.result is None:
            return Pushed(f"The explanation is {record.state}; there is no prediction.")
        target = PushTarget.model_validate(Job.model_validate_json(record.job).metadata[METADATA])
        key = push_settings_key(target.settings, tenant=record.context.tenant)
        try:
            settings = PushSettings.model_validate_json(self._store.get(key))
            with self._turns.take(target.task, asking):
                if list_predictions(
                    self._client, target.task, version=settings.version, deadline=asking
                ):
                    return Pushed("Label Studio has the prediction.")
                return self._create(record.result, settings, target.task, deadline)
        except ObjectNotFound:
            return Pushed("The result is past its retention.")

    def _create(
        self, stored_result: str, settings: PushSettings, task: int, deadline: Deadline
    ) -> Pushed:
        view = view_project(
            settings.label_config,
            settings.options,
            spec=self._catalog.get(settings.model),
            version=settings.version,
        )
        result = Result.model_validate_json(stored_result)
        prediction = self._predictions.build(result, view, task_id=task)
        reply = self._store_prediction({"task": task, **prediction}, deadline)
        if reply.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
            return Pushed(
                f"Label Studio refuses the prediction ({reply.status}): it may have deleted the "
                "task.",
                is_refused=True,
            )
        require_answer(reply, {HTTPStatus.OK, HTTPStatus.CREATED})
        return Pushed("Label Studio has stored the prediction.")

    def _store_prediction(self, prediction: dict[str, Any], deadline: Deadline) -> Reply:
        with self._turns.write(deadline):
            return self._client.request("POST", "predictions/", body=prediction, deadline=deadline)
