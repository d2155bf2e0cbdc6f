"""The pages for browsers without scripts: submit a photo, and see what came of it."""

from http import HTTPStatus

from flask import Blueprint, Response, render_template, request

from seewhy.access.records import Scope
from seewhy.errors import InvalidRequest
from seewhy.ledger.types import JobRecord, model_of
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.result import ExplanationResult, Verdict
from seewhy.schemas.words import percent
from seewhy_api.http.auth import current_caller, request_context, requires
from seewhy_api.http.explanation_body import Explanation
from seewhy_api.http.parsing import parse_image, parse_wait_s
from seewhy_api.http.problems import PROBLEM_JSON
from seewhy_api.http.serializers import serialize_explanation
from seewhy_api.inspector import sentences
from seewhy_api.inspector.assets import CONTENT_SECURITY_POLICY, version
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import explanation_page_operations as operations
from seewhy_api.routes.dependencies import Dependencies

HTML = "text/html"
FIRST_WAIT_S = 5
"""How long the page of a new explanation waits for the outcome before it answers."""


def create_explanation_pages_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/explanation`."""
    blueprint = Blueprint("explanation_pages", __name__, template_folder="../inspector/templates")
    blueprint.add_app_template_filter(percent)
    blueprint.add_app_template_filter(sentences.number)
    blueprint.after_request(_show_problem)

    @blueprint.post("/explanation")
    @requires(Scope.SUBMIT)
    @describe(operations.SUBMIT)
    def submit_photo() -> Response:
        """Submit a photo from a page without scripts.

        The predicted class is explained by the default model and method. Answers 303: the browser
        opens the page of the explanation.
        """
        if request.mimetype != "multipart/form-data":
            raise InvalidRequest("Send the photo in a form, as multipart/form-data.")
        caller = current_caller()
        accepted = deps.submit_service.accept(
            parse_image(request),
            ExplanationRequest(),
            key=None,
            context=caller.context,
            quotas=caller.quotas,
        )
        # Relative, so that the page works behind a proxy that adds a prefix.
        page = f"explanation/{accepted.job_id}?wait={FIRST_WAIT_S}"
        response = Response(f'<a href="{page}">The explanation</a>', mimetype=HTML)
        response.status_code = HTTPStatus.SEE_OTHER
        response.headers["Location"] = page
        return response

    @blueprint.get("/explanation/<job_id>")
    @requires(Scope.READ)
    @describe(operations.GET)
    def get_explanation_page(job_id: str) -> Response:
        """Get a page that shows an explanation, without scripts.

        `?wait=N` waits up to 30 s for the outcome.
        """
        context = request_context()
        record = deps.lookup.read_job(job_id, context=context)
        if wait_s := parse_wait_s(request):
            record = deps.lookup.require_job(
                deps.long_poll.read_job(job_id, wait_s=wait_s), job_id, context=context
            )
        return _show(_describe(deps, record))

    return blueprint


def _describe(deps: Dependencies, record: JobRecord) -> str:
    """Return the page of an explanation."""
    forecast = deps.forecaster.of_job(record)
    serving = None if record.state.terminal else deps.served_models.serving(model_of(record.lane))
    body = Explanation.model_validate(
        serialize_explanation(record, forecast=forecast, store=deps.store, serving=serving)
    )
    result = body.result
    flag = sentences.flag_of(result.targets[0]) if result else None
    said = [
        None
        if record.state.terminal
        else sentences.queue_sentence(body.queue_position, body.eta_s.p50 if body.eta_s else None),
        *(warning.detail for warning in body.warnings),
        body.error and body.error.detail,
        flag,
    ]
    return _render(
        "explanation.html",
        id=body.id,
        api=f"{_root()}v1/explanations/{body.id}",
        heading=sentences.heading_of(body.status, result),
        sentences=[sentence for sentence in said if sentence],
        is_open=not record.state.terminal,
        result=result,
        flag=flag,
        **_describe_maps(result, model=body.model) if result else {},
    )


def _describe_maps(result: ExplanationResult, *, model: str) -> dict[str, object]:
    first = result.targets[0]
    drawn = f", on which the map of {sentences.name_of(first)} is drawn as a heatmap"
    return {
        "alt": f"The photo{'' if sentences.flag_of(first) else drawn}.",
        "is_all_negative": first.verdict is Verdict.ALL_NEGATIVE,
        "caption": sentences.caption_of(result, model=model),
        "others": [
            {"position": position, "label": sentences.name_of(target)}
            for position, target in enumerate(result.targets)
            if position
        ],
    }


def _render(template: str, **values: object) -> str:
    return render_template(template, root=_root(), version=version(), **values)


def _root() -> str:
    """Return the relative address of `/`, which works behind a proxy that adds a prefix."""
    return "../" * (request.path.count("/") - 1)


def _show(page: str) -> Response:
    response = Response(page, mimetype=HTML)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # With "no-referrer", browsers would send the form with the origin "null", which is refused.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _show_problem(response: Response) -> Response:
    """Show a problem as a page where the client is a browser."""
    if response.mimetype != PROBLEM_JSON:
        return response
    response.headers.add("Vary", "Accept")
    if request.accept_mimetypes.best_match([PROBLEM_JSON, HTML]) != HTML:
        return response
    problem = response.get_json()
    status = HTTPStatus(response.status_code)
    page = _show(
        _render(
            "problem.html",
            heading=sentences.heading_of_problem(status),
            detail=problem["detail"],
            advice=sentences.ADVICE.get(problem["code"]),
            code=problem["code"],
        )
    )
    page.status_code = status
    for name, value in response.headers:
        if name not in page.headers:
            page.headers[name] = value
    return page
