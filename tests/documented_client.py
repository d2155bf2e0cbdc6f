"""A test client that checks every response against the OpenAPI document."""

import copy
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from seewhy_api.openapi.document import build_document

JSON_TYPES = {"application/json", "application/problem+json"}
HEADERS = {
    "Content-Disposition",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
}
"""Headers that are documented wherever they are sent."""


class DocumentedClient(FlaskClient):
    """Fails a test when a response is not as the document says."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        check_response(self.application, response)
        return response


DOCUMENTS: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
"""The documents by the routes that they describe. Building one takes longer than most tests."""


def document_of(app: Flask) -> dict[str, Any]:
    """Return the document of an application, in which no object may have further fields."""
    routes = frozenset((rule.rule, rule.endpoint) for rule in app.url_map.iter_rules())
    if routes not in DOCUMENTS:
        DOCUMENTS[routes] = closed_document(app)
    return DOCUMENTS[routes]


def closed_document(app: Flask) -> dict[str, Any]:
    """Build the document of an application, in which no object may have further fields."""
    document = copy.deepcopy(build_document(app))
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def operation_for(app: Flask, response: TestResponse) -> dict[str, Any] | None:
    """Return the operation that answered; None if no route matches the request."""
    method = "GET" if response.request.method == "HEAD" else response.request.method
    try:
        rule, _ = app.url_map.bind("localhost").match(
            response.request.path, method=method, return_rule=True
        )
    except (RequestRedirect, HTTPException):
        return None
    path = rule.rule.replace("<", "{").replace(">", "}")
    operation: dict[str, Any] | None = document_of(app)["paths"][path].get(method.lower())
    return operation


def check_response(app: Flask, response: TestResponse) -> None:
    """Assert that a response has a documented status, media type and body, and such headers."""
    operation = operation_for(app, response)
    if operation is None:
        return
    where = f"{response.request.method} {response.request.path} → {response.status_code}"
    documented = operation["responses"].get(str(response.status_code))
    assert documented is not None, f"{where} is not documented"
    sent = {name for name in HEADERS if name in response.headers}
    assert sent <= set(documented.get("headers", ())), f"{where} has other headers"
    content = documented.get("content")
    if content is None:
        assert response.data == b"", f"{where} has a body"
        return
    assert response.mimetype in content, f"{where} is {response.mimetype}"
    if response.mimetype in JSON_TYPES and response.request.method != "HEAD":
        components = {"components": document_of(app)["components"]}
        validator = Draft202012Validator(components | content[response.mimetype]["schema"])
        mistakes = [f"{m.json_path}: {m.message}" for m in validator.iter_errors(response.json)]
        assert not mistakes, f"{where}: {mistakes}"
