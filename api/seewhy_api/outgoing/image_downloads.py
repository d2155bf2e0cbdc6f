"""Downloads images from URLs that clients choose, from hosts that the operator allows."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urldefrag, urljoin

from seewhy.errors import (
    ImageTooLarge,
    ImageUnreachable,
    ImageUrlRefused,
    Overloaded,
    TooManyDownloads,
)
from seewhy.schemas.http_url import HttpUrl, parse_http_url
from seewhy.settings import Settings
from seewhy.settings.limits import PUBLIC_HOSTS
from seewhy_api.http.slots import ClientSlots
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.dns import Resolve, resolve
from seewhy_api.outgoing.exchange import Answer, Exchange, NoAnswer

MAX_REDIRECTS = 3
RETRY_AFTER_S = 5

UNREACHABLE = "The server of image_url gives no answer. The operator's log has the reason."
"""The one answer for every failure without an HTTP answer. Different ones would tell clients which
internal names resolve, and which ports are open."""

_REDIRECTS = {301, 302, 303, 307, 308}
_DEFAULT_PORTS = {"http": 80, "https": 443}

_log = logging.getLogger(__name__)


class ImageDownloads:
    """Downloads one image per call, in the thread of the caller. Thread-safe.

    A slow server holds a thread until the deadline, so the number of downloads is limited, and half
    of them may be for one client.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Use the hosts, the networks and the limits in `settings`."""
        self._hosts = settings.image_url_hosts
        self._timeout_s = settings.image_url_timeout_s
        self._max_bytes = settings.max_upload_bytes
        self._exchange = Exchange(
            networks=settings.image_url_networks, ssl_context=ssl_context, resolve=resolve
        )
        self._slots = ClientSlots(
            total=settings.image_url_downloads,
            per_client=max(1, settings.image_url_downloads // 2),
            refusal=_too_many,
        )

    def check(self, url: str) -> None:
        """Raise `ImageUrlRefused` when no image may come from this URL. Nothing is sent."""
        self._parse(url)

    def read(self, url: str, *, client: str) -> bytes:
        """Download what a URL has, up to the limit on images, for `client`.

        The bytes decide what it is: no header does. Raises `ImageUrlRefused`, `ImageUnreachable`,
        `ImageTooLarge` and `TooManyDownloads`.
        """
        target = self._parse(url)
        with self._slots.take(client):
            deadline = Deadline(self._timeout_s)
            for _ in range(MAX_REDIRECTS + 1):
                with self._get(target, deadline) as answer:
                    if answer.status not in _REDIRECTS:
                        return self._read_body(answer)
                    target = self._redirected(target, answer)
        raise ImageUnreachable(f"image_url redirects more than {MAX_REDIRECTS} times.")

    def _parse(self, url: str) -> HttpUrl:
        if not self._hosts:
            raise ImageUrlRefused(
                "image_url is off on this server: its operator has allowed no hosts. "
                "Send the image itself."
            )
        try:
            target = parse_http_url(url)
        except ValueError as error:
            raise ImageUrlRefused(f"image_url {error}.") from error
        if not any(_is_allowed(target, host) for host in self._hosts):
            raise ImageUrlRefused("The operator has not allowed the host and port of image_url.")
        return target

    @contextmanager
    def _get(self, target: HttpUrl, deadline: Deadline) -> Iterator[Answer]:
        headers = {"Accept": "image/jpeg, image/png, image/webp"}
        try:
            with self._exchange.send("GET", target, headers=headers, deadline=deadline) as answer:
                yield answer
        except NoAnswer as error:
            _log.info("No image from %s: %s", target.origin, error)
            raise ImageUnreachable(UNREACHABLE) from error

    def _redirected(self, target: HttpUrl, answer: Answer) -> HttpUrl:
        """Return where a redirect leads, which must be allowed like the URL itself."""
        location = answer.header("location")
        if location is None:
            raise ImageUnreachable(f"The server of image_url answered {answer.status}.")
        try:
            url, _ = urldefrag(urljoin(target.origin + target.target, location))
            return self._parse(url)
        except (ImageUrlRefused, ValueError) as error:
            raise ImageUnreachable("image_url redirects to a URL that is not allowed.") from error

    def _read_body(self, answer: Answer) -> bytes:
        if answer.status != 200:
            raise ImageUnreachable(f"The server of image_url answered {answer.status}.")
        declared = answer.header("content-length") or "0"
        if declared.isdecimal() and int(declared[:20]) > self._max_bytes:
            raise _too_large(self._max_bytes)
        body = bytearray()
        for chunk in answer.chunks():
            body += chunk
            if len(body) > self._max_bytes:
                raise _too_large(self._max_bytes)
        return bytes(body)


def _is_allowed(target: HttpUrl, allowed: str) -> bool:
    """Whether an entry of `SEEWHY_IMAGE_URL_HOSTS` allows the host and port of a URL."""
    host, _, port = allowed.partition(":")
    ports = {int(port)} if port else {_DEFAULT_PORTS[target.scheme]}
    if target.port not in ports:
        return False
    name = target.host.removesuffix(".")
    if host == PUBLIC_HOSTS:
        return True
    return name.endswith(host[1:]) if host.startswith("*.") else name == host


def _too_many(limit: int) -> Overloaded:
    return TooManyDownloads(
        f"The limit on downloads of image_url at once ({limit}) is reached. Retry later, or send "
        "the image itself.",
        retry_after_s=RETRY_AFTER_S,
    )


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(f"the image has more than {max_bytes} bytes, the limit")
