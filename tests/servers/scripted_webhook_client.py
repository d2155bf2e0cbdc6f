"""A webhook client that sends nothing and returns scripted responses."""

import json
import threading
from collections.abc import Callable

from seewhy.ledger.types import DeliveryResult
from seewhy_api.webhooks.client import WebhookRequest, WebhookResponse

OK = WebhookResponse(DeliveryResult.DELIVERED, "The receiver answered 200.", 200)
SERVER_ERROR = WebhookResponse(DeliveryResult.RETRY, "The receiver answered 500.", 500)
GONE = WebhookResponse(DeliveryResult.REFUSED, "The receiver answered 410.", 410)
NO_ANSWER = WebhookResponse(DeliveryResult.RETRY, "No answer in time.")


def too_many_requests(retry_after_s: float) -> WebhookResponse:
    return WebhookResponse(DeliveryResult.RETRY, "The receiver answered 429.", 429, retry_after_s)


class ScriptedWebhookClient:
    """Returns the job's `responses` in order, repeating the last one; `default` for other jobs."""

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []
        self.responses: dict[str, list[WebhookResponse | Exception]] = {}
        self.default: WebhookResponse = OK
        self.on_send: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def send(self, request: WebhookRequest) -> WebhookResponse:
        """Record the request; return or raise the next scripted response."""
        with self._lock:
            self.requests.append(request)
            self.on_send()
            script = self.responses.get(job_id_of(request), [self.default])
            response = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(response, Exception):
            raise response
        return response


def job_id_of(request: WebhookRequest) -> str:
    """Return the job id in a request's body."""
    return str(json.loads(request.body)["data"]["id"])
