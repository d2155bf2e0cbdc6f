"""The OpenAPI document: valid, complete, and true about what the routes answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from documented_client import DocumentedClient
from http_api import submit_image
from seewhy import errors
from seewhy.settings import Settings
from seewhy_api import flask_app
from seewhy_api.app import Api, create_api
from seewhy_api.http.auth import public, required_scopes
from seewhy_api.http.problems import status_of_class
from seewhy_api.openapi.document import described_routes
from seewhy_api.openapi.problem_responses import error_classes
from seewhy_api.routes.health import create_health_blueprint


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    return client.get("/openapi.json").get_json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations of a document by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_has_every_route(api: Api, document: dict[str, Any]) -> None:
    served = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in api.flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(operations(document)) == served


def test_a_route_without_a_description_is_refused_at_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blueprint_with_a_silent_route(deps: Any) -> Any:
        blueprint = create_health_blueprint(deps)
        blueprint.add_url_rule("/debug", endpoint="debug", view_func=public(lambda: "ok"))
        return blueprint

    monkeypatch.setattr(flask_app, "create_health_blueprint", blueprint_with_a_silent_route)
    with pytest.raises(ValueError, match=r"health\.debug does not describe itself"):
        create_api(settings)


def test_each_operation_requires_the_scopes_of_its_route(
    api: Api, document: dict[str, Any]
) -> None:
    for route in described_routes(api.flask):
        operation = document["paths"][route.path][route.method.lower()]
        scopes = required_scopes(route.view)
        expected = [] if scopes is None else [{"bearer": sorted(scopes)}, {"basic": sorted(scopes)}]
        assert operation["security"] == expected


def test_each_operation_has_a_unique_id_and_a_summary_in_one_line(
    document: dict[str, Any],
) -> None:
    described = operations(document)
    assert len({each["operationId"] for each in described.values()}) == len(described)
    tags = {tag["name"] for tag in document["tags"]}
    for operation in described.values():
        assert 0 < len(operation["summary"]) <= 100
        assert set(operation["tags"]) <= tags


def test_every_code_of_an_error_is_documented_with_its_status(document: dict[str, Any]) -> None:
    examples = document["components"]["examples"]
    for kind in error_classes():
        value = examples[kind.code]["value"]
        assert (value["code"], value["status"]) == (kind.code, int(status_of_class(kind)))
    listed = {
        code
        for operation in operations(document).values()
        for response in operation["responses"].values()
        for media in response.get("content", {}).values()
        for part in media.get("schema", {}).get("allOf", ())
        for code in part.get("properties", {}).get("code", {}).get("enum", ())
    }
    bases = {errors.AccessDenied.code, errors.NotFound.code, errors.Overloaded.code}
    assert {kind.code for kind in error_classes()} - listed <= bases


def test_every_example_matches_its_schema(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    checked = 0
    for name, operation in operations(document).items():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for response in operation["responses"].values()]
        for media in (media for content in contents for media in content.values()):
            validator = Draft202012Validator(components | media.get("schema", {}))
            for example in media.get("examples", {}).values():
                if "$ref" in example:
                    example = components["components"]["examples"][  # noqa: PLW2901
                        example["$ref"].rpartition("/")[2]
                    ]
                assert [str(m) for m in validator.iter_errors(example["value"])] == [], name
                checked += 1
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                Draft202012Validator(parameter["schema"]).validate(parameter["example"])
                checked += 1
    for name, item in document["webhooks"].items():
        media = item["post"]["requestBody"]["content"]["application/json"]
        validator = Draft202012Validator(components | media["schema"])
        for example in media["examples"].values():
            assert [str(m) for m in validator.iter_errors(example["value"])] == [], name
            checked += 1
    assert checked > 50


def test_every_link_leads_to_an_operation_and_names_its_parameters(
    document: dict[str, Any],
) -> None:
    parameters = {
        operation["operationId"]: {each["name"] for each in operation.get("parameters", ())}
        for operation in operations(document).values()
    }
    links = {
        operation["operationId"]: set(response.get("links", {}))
        for operation in operations(document).values()
        for response in operation["responses"].values()
        if "links" in response
    }
    assert links["submit_explanation"] >= {"get_explanation", "stream_events", "cancel_explanation"}
    assert links["get_explanation"] >= {"get_map", "get_overlay", "get_heatmap"}
    for operation in operations(document).values():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert set(link["parameters"]) <= parameters[link["operationId"]]


def test_the_document_names_no_address_and_no_path_of_the_server(
    client: FlaskClient, tmp_path: Path
) -> None:
    text = client.get("/openapi.json").get_data(as_text=True)
    assert str(tmp_path) not in text
    assert json.loads(text)["servers"] == [{"url": "/"}]


def test_a_response_that_the_document_does_not_describe_fails_a_test(
    api: Api, client: FlaskClient, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_image(client, cat)  # as documented
    assert isinstance(client, DocumentedClient)
    path = "seewhy_api.routes.explanations.serialize_explanation"
    monkeypatch.setattr(path, lambda *_, **__: {"id": 7})
    with pytest.raises(AssertionError, match="7 is not of type 'string'"):
        submit_image(client, cat)
    monkeypatch.undo()
    monkeypatch.setitem(
        api.flask.view_functions, "health.alive", public(lambda: ({"status": "ok", "x": 1}, 200))
    )
    with pytest.raises(AssertionError, match="'x' was unexpected"):
        client.get("/healthz")
    monkeypatch.setitem(api.flask.view_functions, "health.alive", public(lambda: ("", 204)))
    with pytest.raises(AssertionError, match="204 is not documented"):
        client.get("/healthz")
