"""Builds the OpenAPI document from the routes of an application."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from flask import Flask

from seewhy.access.records import Scope
from seewhy_api.http.auth import required_scopes
from seewhy_api.http.problems import Problem
from seewhy_api.http.request_ids import HEADER
from seewhy_api.openapi.code_samples import code_samples
from seewhy_api.openapi.declarations import (
    PATH_PARAMETERS,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    Answer,
    Body,
    Operation,
    Parameter,
    operation_of,
)
from seewhy_api.openapi.examples import DESCRIPTION, RESPONSES, SECURITY_SCHEMES, TAGS
from seewhy_api.openapi.problem_responses import error_examples, problem_responses
from seewhy_api.openapi.schemas import Schemas, Use
from seewhy_api.openapi.webhooks import USES, describe_webhooks

_REFERENCE = re.compile(r'"\$ref": "#/components/schemas/([^"]+)"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A described route."""

    method: str
    path: str
    view: Callable[..., Any]
    operation: Operation

    @property
    def scopes(self) -> frozenset[Scope] | None:
        """The scopes that it requires; None: it is public."""
        return required_scopes(self.view)


def described_routes(app: Flask) -> list[Route]:
    """Return the routes of `app`, by path. Raises `ValueError` for one without a description."""
    routes: list[Route] = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        operation = operation_of(view)
        if operation is None or not inspect.getdoc(view):
            raise ValueError(f"{rule.endpoint} does not describe itself for the OpenAPI document")
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        routes.extend(
            Route(method=method, path=path, view=view, operation=operation)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        )
    return sorted(routes, key=lambda route: (route.path, route.method))


def build_document(app: Flask) -> dict[str, Any]:
    """Describe every route of `app` in OpenAPI 3.1. Raises `ValueError` as `described_routes`."""
    routes = described_routes(app)
    uses = (use for route in routes for use in _uses(route))
    schemas = Schemas([(Problem, "serialization"), *USES, *uses])
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    webhooks = describe_webhooks(schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "seewhy",
            "version": version("seewhy"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": _used(schemas.components, paths, webhooks),
            "headers": {name: _parameter(header) for name, header in RESPONSE_HEADERS.items()},
            "examples": {
                **{name: {"value": value} for name, value in RESPONSES.items()},
                **error_examples(),
            },
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _uses(route: Route) -> Iterator[Use]:
    operation = route.operation
    if operation.query:
        yield operation.query, "validation"
    for body in operation.bodies:
        yield body.model, "validation"
    for answer in operation.answers:
        if answer.model is not None:
            yield answer.model, "serialization"


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    operation, scopes = route.operation, route.scopes
    summary, _, description = (inspect.getdoc(route.view) or "").partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "description": description.strip() or summary,
        "security": []
        if scopes is None
        else [{scheme: sorted(scopes)} for scheme in SECURITY_SCHEMES],
    }
    if parameters := list(_parameters(route, schemas)):
        described["parameters"] = parameters
    if operation.bodies:
        described["requestBody"] = {
            "required": True,
            "content": {body.media_type: _body(body, schemas) for body in operation.bodies},
        }
    described["responses"] = {
        **problem_responses(operation, method=route.method, path=route.path, scopes=scopes),
        **{str(int(each.status)): _answer(each, schemas) for each in operation.answers},
    }
    described["responses"] = dict(sorted(described["responses"].items()))
    for response in described["responses"].values():
        response.setdefault("headers", {})[HEADER] = {"$ref": f"#/components/headers/{HEADER}"}
    described["x-codeSamples"] = code_samples(
        operation, method=route.method, path=route.path, is_public=scopes is None
    )
    return described


def _parameters(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, **_parameter(PATH_PARAMETERS[name])}
    if route.operation.query:
        properties, required = schemas.properties_of(route.operation.query)
        for name, schema in properties.items():
            yield _query_parameter(name, schema, required=name in required)
    for name in (*route.operation.headers, HEADER):
        yield {"name": name, "in": "header", **_parameter(REQUEST_HEADERS[name])}


def _query_parameter(name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    """Describe a field; a query cannot hold null, so a parameter is left out instead."""
    shown = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    choices = [choice for choice in shown.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del shown["anyOf"]
        shown |= choices[0]
    elif choices:
        shown["anyOf"] = choices
    if shown.get("default", ...) is None:
        del shown["default"]
    parameter: dict[str, Any] = {"name": name, "in": "query", "schema": shown}
    if required:
        parameter["required"] = True
    if "description" in schema:
        parameter["description"] = schema["description"]
    return parameter


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {"description": parameter.description, "schema": dict(parameter.schema)}
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _body(body: Body, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schemas.of((body.model, "validation"))}
    if body.examples:
        content["examples"] = {name: {"value": value} for name, value in body.examples.items()}
    if body.content_types:
        content["encoding"] = {
            part: {"contentType": types} for part, types in body.content_types.items()
        }
    return content


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        described["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers
        }
    if answer.media_types:
        shown: dict[str, Any] = {}
        if answer.examples:
            shown["examples"] = {
                name: {"$ref": f"#/components/examples/{name}"} for name in answer.examples
            }
        if answer.model is not None:
            shown["schema"] = schemas.of((answer.model, "serialization"))
        described["content"] = dict.fromkeys(answer.media_types, shown)
    if answer.links:
        described["links"] = {
            link.operation_id: {
                "operationId": link.operation_id,
                "parameters": dict(link.parameters),
            }
            for link in answer.links
        }
    return described


def _used(components: Mapping[str, Any], *parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components that parts of the document refer to, also through others."""
    used: set[str] = set()
    pending = set(_REFERENCE.findall(json.dumps(parts)))
    while pending:
        used |= pending
        found = (_REFERENCE.findall(json.dumps(components[name])) for name in pending)
        pending = {name for names in found for name in names} - used
    return {name: schema for name, schema in components.items() if name in used}
