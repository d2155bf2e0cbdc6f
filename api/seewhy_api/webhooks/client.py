"""One message to one receiver, once: what comes of it is told, never raised."""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from importlib.metadata import version

import httpcore2

from seewhy.schemas.webhook_url import WebhookUrl, parse_webhook_url
from seewhy_api.webhooks.address_policy import AddressNotAllowed, Network
from seewhy_api.webhooks.checked_network import CheckedNetwork
from seewhy_api.webhooks.deadline import Deadline
from seewhy_api.webhooks.dns import Resolve, resolve

EXCHANGE_S = 15.0

_ASKS_TO_WAIT = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class ResponseKind(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    """2xx."""
    UNWANTED = "unwanted"
    """410: this receiver is never to be sent anything again."""
    AGAIN = "again"
    """Anything else, redirections among it: they are not followed."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What is to be sent where. `headers` are those of the signature."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What became of a post. `reason` is one sentence for people, in our words alone."""

    fate: ResponseKind
    reason: str
    status: int | None = None
    """None when no HTTP answer came."""
    retry_after_s: float | None = None
    """How long the receiver asks to be left alone, however long that is."""

    @property
    def unreachable(self) -> bool:
        """Whether the way there is at fault: then it is for every post to the same origin."""
        return self.status is None


class WebhookClient:
    """Posts to the public internet by https, and to `networks` by either scheme.

    May be shared by threads. Each post has a connection of its own; no redirection is followed, no
    cookie kept, no proxy asked, and nothing read of an answer beyond its head.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        exchange_s: float = EXCHANGE_S,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Let an exchange, from name to status line, take `exchange_s`.

        `trust` says whose certificates are good; unless given, the system does.
        """
        self._networks = tuple(networks)
        self._exchange_s = exchange_s
        self._trust = trust or httpcore2.default_ssl_context()
        self._resolve = resolve
        self._agent = f"seewhy/{version('seewhy')}"

    def post(self, post: WebhookRequest) -> WebhookResponse:
        """Send it and tell what came of it, within about `exchange_s`."""
        try:
            place = parse_webhook_url(post.url)
        except ValueError as error:
            return WebhookResponse(ResponseKind.AGAIN, f"the URL {error}")
        try:
            status, retry_after = self._exchange(post, place)
        except (AddressNotAllowed, httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            return WebhookResponse(ResponseKind.AGAIN, str(error))
        except httpcore2.RemoteProtocolError:
            return WebhookResponse(
                ResponseKind.AGAIN, "what came back, if anything, is not an HTTP answer"
            )
        return _told(status, retry_after)

    def _exchange(self, post: WebhookRequest, place: WebhookUrl) -> tuple[int, str | None]:
        network = CheckedNetwork(
            networks=self._networks,
            encrypted=place.scheme == "https",
            trust=self._trust,
            deadline=Deadline(self._exchange_s),
            resolve=self._resolve,
        )
        url = httpcore2.URL(
            scheme=place.scheme.encode(),
            host=place.host.encode(),
            port=place.port,
            target=place.target.encode(),
        )
        headers = {
            **post.headers,
            "Host": place.authority,
            "User-Agent": self._agent,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        # httpcore2 writes to the context it is given, at each connection: `trust`, which threads
        # share, is not for it. This one trusts nobody, and the network does not use it.
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            httpcore2.ConnectionPool(ssl_context=unused, network_backend=network) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=post.body) as response,
        ):
            given = {name.lower(): value for name, value in response.headers}
            return response.status, given.get(b"retry-after", b"").decode("latin-1") or None


def retry_after_s(text: str, *, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3); None when it is neither."""
    if re.fullmatch(r"[0-9]{1,12}", text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, OverflowError):
        return None


def _told(status: int, retry_after: str | None) -> WebhookResponse:
    reason = f"answered {status}"
    if 200 <= status < 300:
        return WebhookResponse(ResponseKind.DELIVERED, reason, status)
    if status == HTTPStatus.GONE:
        return WebhookResponse(ResponseKind.UNWANTED, f"{reason}: it wants nothing more", status)
    if 300 <= status < 400:
        return WebhookResponse(
            ResponseKind.AGAIN, f"{reason}: redirections are not followed", status
        )
    wait_s = retry_after_s(retry_after) if retry_after and status in _ASKS_TO_WAIT else None
    return WebhookResponse(ResponseKind.AGAIN, reason, status, wait_s)
