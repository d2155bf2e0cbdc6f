"""What is asked of all items of a batch."""

from dataclasses import dataclass
from typing import Any

from seewhy.errors import InvalidRequest
from seewhy.schemas.job import Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy_api.http.json_body import parse_json


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """The request that applies to all items of a batch."""

    fields: dict[str, Any]
    """Its fields as they were sent, which items may override; without the webhook."""
    parsed: ExplanationRequest
    """The request of an item that overrides nothing."""
    webhook: str | None
    """The webhook of the batch; its items have none."""


def parse_batch_request(text: str | bytes | None) -> BatchRequest:
    """Parse the request of a batch. Raises `InvalidRequest` or pydantic's `ValidationError`."""
    return batch_request_of(parse_json(text) if text else {})


def batch_request_of(fields: Any) -> BatchRequest:
    """Check the request of a batch. Raises `InvalidRequest` or pydantic's `ValidationError`."""
    if not isinstance(fields, dict):
        raise InvalidRequest("request must be a JSON object.")
    fields = {"priority": Priority.BATCH} | fields
    parsed = ExplanationRequest.model_validate(fields)
    if parsed.priority is not Priority.BATCH:
        raise InvalidRequest("The items of a batch run at the priority batch.")
    fields.pop("webhook", None)
    return BatchRequest(fields, parsed.model_copy(update={"webhook": None}), parsed.webhook)
