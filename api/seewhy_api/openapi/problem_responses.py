"""The error responses of an operation, from the tree of errors and the table of statuses."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from seewhy import errors
from seewhy.access.records import Scope
from seewhy_api.http import rate_limits
from seewhy_api.http.browser_checks import PROBES, SAFE_METHODS
from seewhy_api.http.problems import PROBLEM_JSON, code_of, problem_members, status_of_class
from seewhy_api.openapi.declarations import Operation

ErrorClass = type[errors.SeewhyError]

_HEADERS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.CONFLICT: ("Retry-After",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


def error_classes() -> list[ErrorClass]:
    """Return every class of `seewhy.errors` that the API answers with a status of its own."""
    return [
        kind
        for kind in _with_subclasses(errors.SeewhyError)
        if status_of_class(kind) is not HTTPStatus.INTERNAL_SERVER_ERROR
    ]


def error_examples() -> dict[str, Any]:
    """Return an example of every problem, by its code."""
    described = {kind.code: (status_of_class(kind), _summary(kind)) for kind in error_classes()}
    described[errors.SeewhyError.code] = (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error.")
    return {code: _example(status, code, text) for code, (status, text) in described.items()}


def problem_responses(
    operation: Operation, *, method: str, path: str, scopes: frozenset[Scope] | None
) -> dict[str, Any]:
    """Return status → response object for every error of an operation."""
    own = [kind for base in operation.errors for kind in _with_subclasses(base)]
    codes: dict[HTTPStatus, dict[str, str]] = {}
    for kind in (*own, *_errors_of_every_request(method, path, scopes)):
        codes.setdefault(status_of_class(kind), {})[kind.code] = _describe(kind)
    for kind in operation.errors_of_path:
        codes.setdefault(HTTPStatus.NOT_FOUND, {})[kind.code] = _describe(kind)
    if operation.bodies:
        malformed = "The body is malformed."
        codes.setdefault(HTTPStatus.BAD_REQUEST, {}).update(
            {errors.InvalidRequest.code: malformed, code_of(HTTPStatus.BAD_REQUEST): malformed}
        )
        too_large = errors.ImageTooLarge
        codes.setdefault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {})[too_large.code] = _describe(
            too_large
        )
    codes[HTTPStatus.INTERNAL_SERVER_ERROR] = {
        errors.SeewhyError.code: "An unexpected error; the server's log has the details."
    }
    return {str(int(each)): _response(operation, each, codes[each]) for each in sorted(codes)}


def _errors_of_every_request(
    method: str, path: str, scopes: frozenset[Scope] | None
) -> Iterator[ErrorClass]:
    if path not in PROBES:
        yield errors.HostNotAllowed
        if method not in SAFE_METHODS:
            yield errors.OriginNotAllowed
    if scopes is not None:
        yield from (errors.Unauthenticated, errors.TooManyFailures, errors.StoreUnavailable)
        yield errors.InvalidRequest  # a gateway's name of a tenant, or the query
    if scopes:
        yield errors.InsufficientScope


def _headers(operation: Operation, status: HTTPStatus, codes: Mapping[str, str]) -> Iterator[str]:
    yield from _HEADERS.get(status, ())
    if errors.InsufficientScope.code in codes:
        yield "WWW-Authenticate"
    if errors.QuotaExceeded.code in codes:
        yield rate_limits.USAGE_HEADER
    known = status is not HTTPStatus.UNAUTHORIZED
    if known and any(rate_limits.POLICY_HEADER in answer.headers for answer in operation.answers):
        yield rate_limits.POLICY_HEADER


def _response(operation: Operation, status: HTTPStatus, codes: Mapping[str, str]) -> dict[str, Any]:
    lines = [f"- `{code}`: {text}" for code, text in codes.items()]
    usual = {kind.code: status_of_class(kind) for kind in _with_subclasses(errors.SeewhyError)}
    return {
        "description": "\n".join([f"{status.phrase}.", "", *lines]),
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"}
            for name in _headers(operation, status, codes)
        },
        "content": {
            PROBLEM_JSON: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {
                            "properties": {
                                "status": {"const": int(status)},
                                "code": {"enum": list(codes)},
                            }
                        },
                    ]
                },
                "examples": {
                    code: {"$ref": f"#/components/examples/{code}"}
                    if status == usual.get(code)
                    else _example(status, code, text)
                    for code, text in codes.items()
                },
            }
        }
        | ({"text/html": {"schema": {"type": "string"}}} if operation.errors_as_pages else {}),
    }


def _example(status: HTTPStatus, code: str, text: str) -> dict[str, Any]:
    return {"summary": text, "value": problem_members(status, code, text)}


def _describe(kind: ErrorClass) -> str:
    return _summary(kind) + (" The same request may succeed later." if kind.retryable else "")


def _summary(kind: ErrorClass) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _with_subclasses(kind: ErrorClass) -> Iterable[ErrorClass]:
    if kind is not errors.SeewhyError:
        yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith(f"{errors.__name__}."):  # not those of tests
            yield from _with_subclasses(child)
