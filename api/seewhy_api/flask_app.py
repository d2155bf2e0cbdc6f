"""The Flask application: routes, error responses, and the checks of every request."""

from flask import Flask

from seewhy.monitoring.tracing import Tracing
from seewhy_api.http import auth, problems, query, request_ids, request_metrics, request_traces
from seewhy_api.http.browser_checks import BrowserChecks
from seewhy_api.http.json_body import MAX_FORM_PARTS
from seewhy_api.http.parsing import UploadRequest, max_body_bytes
from seewhy_api.label_studio.backend import LabelStudioBackend
from seewhy_api.openapi.document import described_routes
from seewhy_api.routes.agreements import create_agreements_blueprint
from seewhy_api.routes.batch_events import create_batch_events_blueprint
from seewhy_api.routes.batches import create_batches_blueprint
from seewhy_api.routes.dead_letters import create_dead_letters_blueprint
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.routes.documentation import create_documentation_blueprint
from seewhy_api.routes.events import create_events_blueprint
from seewhy_api.routes.explanation_list import create_explanation_list_blueprint
from seewhy_api.routes.explanation_pages import create_explanation_pages_blueprint
from seewhy_api.routes.explanations import create_explanations_blueprint
from seewhy_api.routes.health import create_health_blueprint
from seewhy_api.routes.images import create_images_blueprint
from seewhy_api.routes.inspector import create_inspector_blueprint
from seewhy_api.routes.keys import create_keys_blueprint
from seewhy_api.routes.label_studio import create_label_studio_blueprint
from seewhy_api.routes.models import create_models_blueprint
from seewhy_api.routes.queues import create_queues_blueprint
from seewhy_api.routes.results import create_results_blueprint
from seewhy_api.routes.status import create_status_blueprint
from seewhy_api.routes.summaries import create_summaries_blueprint
from seewhy_api.routes.workers import create_workers_blueprint


def create_flask(
    deps: Dependencies,
    label_studio: LabelStudioBackend,
    authenticator: auth.Authenticator,
    tracing: Tracing,
) -> Flask:
    """Build the application. Raises an error for a route without a description."""
    flask = Flask("seewhy_api", static_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = max_body_bytes(deps.settings.max_upload_bytes)
    flask.config["MAX_FORM_PARTS"] = MAX_FORM_PARTS
    flask.request_class = UploadRequest
    flask.json.sort_keys = False  # type: ignore[attr-defined]
    request_ids.install(flask)
    request_traces.install(flask, tracing)
    request_metrics.install(flask)
    problems.install(flask)
    BrowserChecks(deps.settings).install(flask)
    for create_blueprint in (
        create_explanations_blueprint,
        create_explanation_list_blueprint,
        create_summaries_blueprint,
        create_explanation_pages_blueprint,
        create_batches_blueprint,
        create_batch_events_blueprint,
        create_images_blueprint,
        create_events_blueprint,
        create_results_blueprint,
        create_models_blueprint,
        create_keys_blueprint,
        create_queues_blueprint,
        create_workers_blueprint,
        create_status_blueprint,
        create_dead_letters_blueprint,
        create_health_blueprint,
    ):
        flask.register_blueprint(create_blueprint(deps))
    for create_backend_blueprint in (create_agreements_blueprint, create_label_studio_blueprint):
        flask.register_blueprint(create_backend_blueprint(deps, label_studio))
    flask.register_blueprint(create_documentation_blueprint())
    flask.register_blueprint(create_inspector_blueprint())
    auth.install(flask, authenticator)
    query.install(flask)
    described_routes(flask)
    return flask
