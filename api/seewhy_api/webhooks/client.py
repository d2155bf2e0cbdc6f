"""Sends one webhook request. Every failure becomes a `WebhookResponse`; none is raised."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from seewhy.ledger.types import DeliveryResult
from seewhy.schemas.http_url import parse_http_url
from seewhy_api.outgoing.address_policy import Network
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.dns import Resolve, resolve
from seewhy_api.outgoing.exchange import Exchange, NoAnswer
from seewhy_api.webhooks.retry_policy import parse_retry_after_s

REQUEST_TIMEOUT_S = 15.0

UNREACHABLE = "The receiver cannot be reached. The operator's log has the reason."
"""The one detail of every failure without an HTTP answer. Different ones would tell clients which
internal names resolve, and which ports are open."""

RETRY_AFTER_STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""The statuses whose Retry-After header is honored."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request to send. `headers` are the signature's."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The result of one request."""

    result: DeliveryResult
    """DELIVERED for 2xx, REFUSED for 410 (send nothing more to this receiver), RETRY for all else.
    Redirects are not followed."""
    detail: str
    """One sentence for the client. It contains nothing that the receiver sent."""
    status: int | None = None
    """The HTTP status; None when there was no HTTP answer."""
    retry_after_s: float | None = None
    """The receiver's Retry-After, unlimited."""
    reason: str | None = None
    """Why there was no HTTP answer: for the operator, because clients could map the network."""

    @property
    def unreachable(self) -> bool:
        """Whether the receiver could not be reached: then its whole origin cannot."""
        return self.status is None


class WebhookClient:
    """Sends requests to the public internet over https, and to `networks` over http or https.

    Thread-safe. The client follows no redirects, keeps no cookies, uses no proxy, and reads nothing
    of an answer beyond its headers.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        timeout_s: float = REQUEST_TIMEOUT_S,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Limit each request, from name lookup to answer, to `timeout_s`.

        `ssl_context` verifies certificates; the default trusts the system's authorities.
        """
        self._timeout_s = timeout_s
        self._exchange = Exchange(networks=networks, ssl_context=ssl_context, resolve=resolve)

    def send(self, request: WebhookRequest) -> WebhookResponse:
        """Send a request and return its result, within about `timeout_s`."""
        try:
            url = parse_http_url(request.url)
        except ValueError as error:
            return WebhookResponse(DeliveryResult.RETRY, f"The URL {error}.")
        headers = {**request.headers, "Content-Type": "application/json"}
        deadline = Deadline(self._timeout_s)
        try:
            with self._exchange.send(
                "POST", url, headers=headers, body=request.body, deadline=deadline
            ) as answer:
                return _interpret(answer.status, answer.header("retry-after"))
        except NoAnswer as error:
            return WebhookResponse(DeliveryResult.RETRY, UNREACHABLE, reason=str(error))


def _interpret(status: int, retry_after: str | None) -> WebhookResponse:
    answered = f"The receiver answered {status}"
    if 200 <= status < 300:
        return WebhookResponse(DeliveryResult.DELIVERED, f"{answered}.", status)
    if status == HTTPStatus.GONE:
        return WebhookResponse(
            DeliveryResult.REFUSED, f"{answered}: it accepts no more webhooks.", status
        )
    if 300 <= status < 400:
        return WebhookResponse(
            DeliveryResult.RETRY, f"{answered}: redirects are not followed.", status
        )
    wait_s = None
    if retry_after and status in RETRY_AFTER_STATUSES:
        wait_s = parse_retry_after_s(retry_after)
    return WebhookResponse(DeliveryResult.RETRY, f"{answered}.", status, wait_s)
