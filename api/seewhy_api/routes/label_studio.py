"""The ML backend of Label Studio: its health, its setup, and predictions for tasks."""

import re
from functools import partial

from flask import Blueprint, Request, Response, jsonify, request

from seewhy.access.records import Scope
from seewhy.errors import TooManyPredictions
from seewhy.settings import Settings
from seewhy_api.http.auth import current_caller, public, request_context, requires
from seewhy_api.http.problems import PROBLEM_JSON, cut
from seewhy_api.http.slots import ClientSlots
from seewhy_api.label_studio.annotation_events import StoredEvent, parse_event
from seewhy_api.label_studio.backend import LabelStudioBackend
from seewhy_api.label_studio.event_inbox import EventInbox
from seewhy_api.label_studio.large_bodies import LargeBodies
from seewhy_api.label_studio.options import parse_options
from seewhy_api.label_studio.predictor import Predictions, Predictor
from seewhy_api.label_studio.projects import Project, Projects
from seewhy_api.label_studio.request_bodies import parse_body
from seewhy_api.label_studio.requests import PredictRequest, SetupRequest
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import label_studio_operations as operations
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.routes.label_studio_operations import (
    FailedTask,
    Health,
    Predicted,
    Received,
    SetUp,
    Versions,
)

RETRY_AFTER_S = 10
MAX_REASON_CHARACTERS = 300
"""Of a sentence in a status line."""


def create_label_studio_blueprint(deps: Dependencies, backend: LabelStudioBackend) -> Blueprint:
    """Create the blueprint of `/label-studio`, the URL of the backend in Label Studio."""
    blueprint = Blueprint("label_studio", __name__, url_prefix="/label-studio")
    bodies = LargeBodies(deps.settings)
    _add_state(blueprint, backend.projects)
    _add_webhook(blueprint, backend.inbox, bodies)
    _add_setup(blueprint, backend.predictor, backend.projects, bodies)
    _add_predict(blueprint, backend.predictor, _create_slots(deps.settings), bodies)
    blueprint.after_request(_repeat_the_detail)
    return blueprint


def _request() -> Request:
    """Return the request itself: another thread has no current one."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return current


def _repeat_the_detail(response: Response) -> Response:
    """Repeat what is wrong in the status line: people see nothing else of a refusal."""
    if response.mimetype == PROBLEM_JSON:
        detail = str((response.get_json() or {}).get("detail", ""))
        reason = re.sub(r"[^!-~]+", " ", cut(detail, MAX_REASON_CHARACTERS)).strip()
        response.status = f"{response.status_code} {reason}"
    return response


def _add_state(blueprint: Blueprint, projects: Projects) -> None:
    @blueprint.get("/health")
    @public
    @describe(operations.HEALTH)
    def health() -> Response:
        """Answer at once, even when Redis or the object store does not answer.

        Label Studio waits one second for it.
        """
        return jsonify(Health().model_dump())

    @blueprint.get("/versions")
    @requires()
    @describe(operations.VERSIONS)
    def versions() -> Response:
        """List the model versions of the projects that were set up lately, the latest first."""
        body = Versions(versions=projects.versions(tenant=request_context().tenant))
        return jsonify(body.model_dump())


def _add_webhook(blueprint: Blueprint, inbox: EventInbox | None, bodies: LargeBodies) -> None:
    @blueprint.post("/webhook")
    @requires(Scope.SUBMIT)
    @describe(operations.WEBHOOK)
    def receive_webhook() -> Response:
        """Take an event of Label Studio, which creates a webhook for each backend.

        What was annotated is explained after the answer, and compared with the explanation. Other
        events are ignored, and all are if the operator has named no Label Studio.
        """
        caller = current_caller()
        event = bodies.parse(_request(), parse_event, tenant=caller.context.tenant)
        if event and inbox:
            inbox.accept(StoredEvent(context=caller.context, quotas=caller.quotas, event=event))
        return jsonify(Received().model_dump())


def _add_setup(
    blueprint: Blueprint, predictor: Predictor, projects: Projects, bodies: LargeBodies
) -> None:
    @blueprint.post("/setup")
    @requires(Scope.SUBMIT)
    @describe(operations.SETUP)
    def setup() -> Response:
        """Check the label config and the extra parameters of a project, and remember the latter.

        Answers with the model version, which changes with everything that predictions depend on.
        `access_token` is used for images of the configured Label Studio only.
        """
        tenant = request_context().tenant
        sent = bodies.parse(_request(), partial(parse_body, SetupRequest), tenant=tenant)
        view = predictor.set_up(sent.label_config, parse_options(sent.extra_params))
        project = Project(view.options, view.version, sent.access_token)
        projects.remember(sent.project, project, tenant=tenant)
        body = SetUp(model_version=view.version, unmapped_labels=view.mapping.unmapped)
        return jsonify(body.model_dump())


def _create_slots(settings: Settings) -> ClientSlots:
    """Bound the threads that requests for predictions hold: each may wait for 50 s."""
    return ClientSlots(
        total=max(1, settings.api_threads // 4),
        per_client=max(1, settings.api_threads // 8),
        refusal=lambda limit: TooManyPredictions(
            f"The limit on requests for predictions at once ({limit}) is reached. Retry later.",
            retry_after_s=RETRY_AFTER_S,
        ),
    )


def _add_predict(
    blueprint: Blueprint, predictor: Predictor, slots: ClientSlots, bodies: LargeBodies
) -> None:
    @blueprint.post("/predict")
    @requires(Scope.SUBMIT, Scope.READ)
    @describe(operations.PREDICT)
    def predict() -> Response:
        """Predict for tasks: one entry for each, in order.

        One task waits for as long as the project allows, 8 s by default. Several tasks wait up to
        50 s together, or not at all if the operator has set an API key of Label Studio: then
        predictions that are not in the answer are pushed, and images that were not read by then are
        read after it. A task that is not ready, is pushed or fails has an entry without regions in
        the editor, and an empty list elsewhere, so that Label Studio stores nothing; `errors` has
        the reasons of failures.

        A region that was drawn selects the class of its label. If that names no class, its place
        selects one of the five most probable classes: the one with the most evidence there.
        """
        caller = current_caller()
        tenant = caller.context.tenant
        with slots.take(tenant):
            sent = bodies.parse(_request(), partial(parse_body, PredictRequest), tenant=tenant)
            predictions = predictor.predict(sent, caller)
        return jsonify(_body(predictions).model_dump(mode="json"))


def _body(predictions: Predictions) -> Predicted:
    return Predicted(
        results=predictions.entries,
        model_version=predictions.version,
        errors=tuple(FailedTask(task=one.task, detail=one.detail) for one in predictions.errors),
        unmapped_labels=predictions.unmapped,
    )
