"""The OpenAPI document, narrowed to the requests that one server accepts.

A schema cannot say which models a server has, nor which fields exclude each other. A generator of
valid requests needs to know both.
"""

import copy
from typing import Any

from seewhy_api.openapi.examples import IMAGE_FOLDER
from seewhy_api.routes.label_studio_operations import LABEL_CONFIG

REQUESTS = (
    "ExplanationRequest",
    "Base64Submission",
    "KnownImageSubmission",
    "ItemsRequest",
    "ImageFolder",
)
SOURCES_THAT_ARE_OFF = ("RemoteImage", "RemoteImageSubmission")
EXCLUDING_FIELDS = (
    "layer",
    "layers",
    "methods",
    "fallback",
    "preset",
    "box",
    "within",
    "reference",
)
"""Fields that are valid beside some values of others only."""

EXCLUDING_PARAMETERS = ("target", "method", "layer", "colormap")
"""Query parameters that are valid beside some values of others only."""


def narrow_document(
    document: dict[str, Any], *, model: str, image_id: str, image_base64: str
) -> dict[str, Any]:
    """Return a document whose valid requests are accepted by a server with these resources."""
    narrowed = copy.deepcopy(document)
    schemas = narrowed["components"]["schemas"]
    for name in REQUESTS:
        fields = schemas[name]["properties"]
        for field in EXCLUDING_FIELDS:
            fields.pop(field, None)
        fields["model"] = {"enum": [None, model]}
        fields["inputs"] = {"type": "object", "maxProperties": 0}  # the model has none to name
        fields["webhook"] = {"enum": [None, "https://hooks.test/x"]}
        fields["targets"] = {
            "anyOf": [
                {"const": "predicted"},
                {"type": "string", "pattern": "^top:([1-9]|1[0-9]|20)$"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 999},
                    "uniqueItems": True,
                    "minItems": 1,
                    "maxItems": 20,
                },
            ]
        }
    schemas["ImageFolder"]["properties"]["image_prefix"] = {"enum": [IMAGE_FOLDER["image_prefix"]]}
    schemas["SetupRequest"]["properties"] |= {
        "schema": {"enum": [LABEL_CONFIG]},
        "extra_params": {"enum": [None, "", '{"wait_s": 0}', {}, {"wait_s": 0}]},
    }
    schemas["PredictRequest"]["properties"]["label_config"] = {"enum": [LABEL_CONFIG]}
    predict = narrowed["paths"]["/label-studio/predict"]["post"]["requestBody"]
    predict["content"]["application/json"].pop("examples")  # their image would wait for a worker
    for name in ("KnownImage", "KnownImageSubmission"):
        schemas[name]["properties"]["image_id"] = {"enum": [image_id]}
    for name in ("Base64Image", "Base64Submission"):
        schemas[name]["properties"]["image_base64"] = {"enum": [image_base64]}
    for operation in (each for item in narrowed["paths"].values() for each in item.values()):
        _narrow_parameters(operation.get("parameters", []), model=model)
        for body in operation.get("requestBody", {}).get("content", {}).values():
            if choices := body["schema"].get("anyOf"):
                body["schema"]["anyOf"] = [each for each in choices if not _is_off(each)]
    return narrowed


def _is_off(schema: dict[str, Any]) -> bool:
    return schema["$ref"].rpartition("/")[2] in SOURCES_THAT_ARE_OFF


def _narrow_parameters(parameters: list[dict[str, Any]], *, model: str) -> None:
    for parameter in parameters:
        if (parameter["name"], parameter["in"]) == ("request", "query"):
            parameter["schema"] = {"enum": ["{}", '{"outputs": []}']}
        elif (parameter["name"], parameter["in"]) == ("name", "path"):
            parameter["schema"] = {"enum": [model, "vgg16"]}
        elif (parameter["name"], parameter["in"]) == ("map", "query"):
            parameter["schema"]["maximum"] = 0
    parameters[:] = [each for each in parameters if each["name"] not in EXCLUDING_PARAMETERS]
