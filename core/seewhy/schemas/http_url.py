"""Validate the URLs of webhooks and images as text; no name is resolved."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

URL_LIMIT = 2_048

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NETLOC = re.compile(
    r"((?P<name>[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?)|\[(?P<address>[0-9a-f:.]+)\])"
    r"(:(?P<port>[0-9]{0,5}))?"
)
# The characters of RFC 3986, section 2. Parsers disagree on all others.
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")


class HttpUrl(NamedTuple):
    """The parts of a URL that a request needs."""

    scheme: str
    host: str
    """Lower-case, without brackets."""
    port: int
    target: str
    """Path and query."""

    @property
    def origin(self) -> str:
        """`scheme://host:port`, always with the port."""
        return f"{self.scheme}://{self._bracketed_host}:{self.port}"

    @property
    def authority(self) -> str:
        """The host, and the port unless it is the scheme's default (RFC 9110, section 7.2)."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self._bracketed_host if is_default else f"{self._bracketed_host}:{self.port}"

    @property
    def _bracketed_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_http_url(url: str) -> HttpUrl:
    """Split a URL into the parts that a request needs.

    A valid URL is http or https, has a host, no credentials and no fragment, at most `URL_LIMIT`
    characters, and only the characters of RFC 3986. Write an international name in its xn-- form.
    Raises `ValueError` with the reason when the URL is not valid.
    """
    if len(url) > URL_LIMIT:
        raise ValueError(f"has more than {URL_LIMIT:,} characters")
    if not _URI_CHARACTERS.fullmatch(url):
        raise ValueError(
            "holds characters that are not valid in a URL; percent-encode them, and write an "
            "international host name in its xn-- form"
        )
    if "#" in url:
        raise ValueError("has a fragment, which HTTP does not send; remove it")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("has a host that is not a valid IPv6 address") from error
    if parts.scheme not in _DEFAULT_PORTS or not url[len(parts.scheme) :].startswith("://"):
        raise ValueError("does not have the form https://host/path")
    if "@" in parts.netloc:
        raise ValueError("holds credentials; remove them")
    host, port = _host_and_port(parts.netloc)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpUrl(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


def validate_http_url(url: str) -> str:
    """Return the URL unchanged. Raises `ValueError` as `parse_http_url` does."""
    parse_http_url(url)
    return url


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    match = _NETLOC.fullmatch(netloc.lower())
    if not match or len(match["name"] or "") > 254:
        raise ValueError("has no valid host or port")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError("has a port outside 1 to 65535")
    if match["name"]:
        return match["name"], port
    try:
        return ipaddress.IPv6Address(match["address"]).compressed, port
    except ValueError as error:
        raise ValueError("has a host that is not a valid IPv6 address") from error
