"""Sends one webhook request. Every failure becomes a `WebhookResponse`; none is raised."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

import httpcore2

from seewhy.ledger.types import DeliveryResult
from seewhy.schemas.webhook_url import WebhookUrl, parse_webhook_url
from seewhy_api.webhooks.address_policy import AddressNotAllowed, Network
from seewhy_api.webhooks.deadline import Deadline
from seewhy_api.webhooks.dns import Resolve, resolve
from seewhy_api.webhooks.network_backend import CheckedNetworkBackend
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

    Thread-safe. Each request uses its own connection. The client follows no redirects, keeps no
    cookies, uses no proxy, and reads nothing of an answer beyond its headers.
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
        self._networks = tuple(networks)
        self._timeout_s = timeout_s
        self._ssl_context = ssl_context or httpcore2.default_ssl_context()
        self._resolve = resolve
        self._user_agent = f"seewhy/{version('seewhy')}"

    def send(self, request: WebhookRequest) -> WebhookResponse:
        """Send a request and return its result, within about `timeout_s`."""
        try:
            url = parse_webhook_url(request.url)
        except ValueError as error:
            return WebhookResponse(DeliveryResult.RETRY, f"The URL {error}.")
        try:
            status, retry_after = self._exchange(request, url)
        except (AddressNotAllowed, httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            return _unreachable(str(error))
        except httpcore2.RemoteProtocolError:
            return _unreachable("The answer is not valid HTTP.")
        return _interpret(status, retry_after)

    def _exchange(self, request: WebhookRequest, url: WebhookUrl) -> tuple[int, str | None]:
        """Return the answer's status and Retry-After header."""
        backend = CheckedNetworkBackend(
            networks=self._networks,
            tls=url.scheme == "https",
            ssl_context=self._ssl_context,
            deadline=Deadline(self._timeout_s),
            resolve=self._resolve,
        )
        headers = {
            **request.headers,
            "Host": url.authority,
            "User-Agent": self._user_agent,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        # httpcore2 modifies the SSL context that it is given, so the shared one must not be passed.
        # The backend ignores this one.
        unused_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            httpcore2.ConnectionPool(ssl_context=unused_context, network_backend=backend) as pool,
            pool.stream(
                "POST",
                httpcore2.URL(
                    scheme=url.scheme.encode(),
                    host=url.host.encode(),
                    port=url.port,
                    target=url.target.encode(),
                ),
                headers=list(headers.items()),
                content=request.body,
            ) as response,
        ):
            answer = {name.lower(): value for name, value in response.headers}
            return response.status, answer.get(b"retry-after", b"").decode("latin-1") or None


def _unreachable(reason: str) -> WebhookResponse:
    return WebhookResponse(DeliveryResult.RETRY, UNREACHABLE, reason=reason)


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
