"""Where a webhook may be sent, and the secrets it is signed with: text alone, nothing is looked up.

Secrets are those of the Standard Webhooks specification: `whsec_` and the base64 of 24 to 64 bytes.
"""

import base64
import binascii
import ipaddress
import re
import secrets
from typing import NamedTuple
from urllib.parse import urlsplit

URL_LIMIT = 2_048
SECRET_PREFIX = "whsec_"  # noqa: S105  (what a secret begins with, not one)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NETLOC = re.compile(
    r"((?P<name>[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?)|\[(?P<address>[0-9a-f:.]+)\])"
    r"(:(?P<port>[0-9]{0,5}))?"
)
# RFC 3986, 2: what a URI is written in. All else is read differently by different parsers.
_WRITTEN = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")


class WebhookUrl(NamedTuple):
    """The parts of a URL that a request needs. `host` is lower-case and has no brackets."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def origin(self) -> str:
        """`scheme://host:port`, the port always there."""
        return f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """Host, and the port where it is not the scheme's own (RFC 9110, 7.2)."""
        own = self.port == _DEFAULT_PORTS[self.scheme]
        return self._bracketed if own else f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_webhook_url(url: str) -> WebhookUrl:
    """Take a URL apart. Raises `ValueError`, saying why, when no webhook goes there.

    Only http and https, with a host, without user, password and fragment, at most `URL_LIMIT`
    characters, all of them RFC 3986's: an international name is to be given in its xn-- form.
    """
    if len(url) > URL_LIMIT:
        raise ValueError(f"has more than {URL_LIMIT:,} characters")
    if not _WRITTEN.fullmatch(url):
        raise ValueError("holds characters that no URL has: percent-encode them (a name: xn--…)")
    if "#" in url:
        raise ValueError("has a fragment, which is never sent: leave it out")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("names a host that is not an IPv6 address") from error
    if parts.scheme not in _DEFAULT_PORTS or not url[len(parts.scheme) :].startswith("://"):
        raise ValueError("is not of the form https://host/path")
    if "@" in parts.netloc:
        raise ValueError("names a user: credentials do not belong into a URL")
    host, port = _host_and_port(parts.netloc)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookUrl(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


def validate_webhook_url(url: str) -> str:
    """Return the URL as it came. Raises `ValueError` as `place_of` does."""
    parse_webhook_url(url)
    return url


def origin_of(url: str) -> str:
    """Name what the URL shares with others of the same receiver: `scheme://host:port`.

    Lower-case, and the port always there. Raises `ValueError` as `place_of` does.
    """
    return parse_webhook_url(url).origin


def generate_secret() -> str:
    """Make a secret of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def parse_secrets(text: str) -> tuple[str, ...]:
    """Split secrets at commas. Raises `ValueError`, repeating none, when one is not a secret."""
    found = tuple(secret.strip() for secret in text.split(",") if secret.strip())
    if not found:
        raise ValueError("names no secret: `seewhy webhooks secret` makes one")
    for number, secret in enumerate(found, 1):
        if not _is_secret(secret):
            raise ValueError(
                f"secret {number} of {len(found)} is not {SECRET_PREFIX} and the base64 of 24 to "
                "64 bytes: `seewhy webhooks secret` makes one"
            )
    return found


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(SECRET_PREFIX) and 24 <= len(key) <= 64


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    written = _NETLOC.fullmatch(netloc.lower())
    if not written or len(written["name"] or "") > 254:
        raise ValueError("names no host that can be looked up, or no port")
    port = int(written["port"]) if written["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError("names a port that does not exist")
    if written["name"]:
        return written["name"], port
    try:
        return ipaddress.IPv6Address(written["address"]).compressed, port
    except ValueError as error:
        raise ValueError("names a host that is not an IPv6 address") from error
