"""Describes the messages of webhooks, in the form of the section `webhooks` of OpenAPI 3.1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seewhy_api.http.webhook_body import BatchMessage, ExplanationMessage
from seewhy_api.openapi import examples
from seewhy_api.openapi.schemas import Schemas, Use


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMessage:
    """A message that the service sends."""

    name: str
    model: Any
    summary: str
    examples: Mapping[str, Any]


MESSAGES = (
    WebhookMessage(
        name="explanation_ended",
        model=ExplanationMessage,
        summary="An explanation has ended",
        examples={"succeeded": examples.EXPLANATION_MESSAGE},
    ),
    WebhookMessage(
        name="batch_ended",
        model=BatchMessage,
        summary="A batch has ended",
        examples={"finished": examples.BATCH_MESSAGE},
    ),
)
USES: tuple[Use, ...] = tuple((message.model, "serialization") for message in MESSAGES)

_DESCRIPTION = """\
Sent to the URL `webhook` of the request, signed as the Standard Webhooks specification describes.
The body and the id are the same at every attempt. Any status 2xx is a delivery. After 410
the message is not sent again. After any other status it is repeated for three days.
"""
_HEADERS = {
    "webhook-id": "The id of the message, the same at every attempt.",
    "webhook-timestamp": "When this attempt was signed, in seconds since 1970.",
    "webhook-signature": "The signatures of the id, the timestamp and the body.",
}


def describe_webhooks(schemas: Schemas) -> dict[str, Any]:
    """Return the section `webhooks` of the document."""
    return {message.name: {"post": _describe(message, schemas)} for message in MESSAGES}


def _describe(message: WebhookMessage, schemas: Schemas) -> dict[str, Any]:
    return {
        "operationId": message.name,
        "summary": message.summary,
        "description": _DESCRIPTION,
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
            }
            for name, description in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schemas.of((message.model, "serialization")),
                    "examples": {
                        name: {"value": value} for name, value in message.examples.items()
                    },
                }
            },
        },
        "responses": {"2XX": {"description": "The message was delivered."}},
    }
