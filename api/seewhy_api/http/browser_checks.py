"""What pages of other sites may do through a browser: checks of Host and Origin, and CORS.

A page can make its visitor's browser send requests to services that only the visitor reaches. The
check of the Host header stops pages whose name was rebound to the service's address (DNS
rebinding), the check of the origin stops requests that change something, and without CORS headers
a page cannot read an answer. None of this replaces authentication: other clients send any header.
"""

import re
from http import HTTPStatus

from flask import Flask, Request, Response, request

from seewhy.access.policy import is_loopback
from seewhy.errors import HostNotAllowed, OriginNotAllowed
from seewhy.quoting import quote
from seewhy.settings import Settings
from seewhy_api.http import request_ids
from seewhy_api.http.security_headers import SECURITY_HEADERS

ANY = "*"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
PROBES = {"/healthz", "/readyz"}
"""An orchestrator calls them by an address that no one knows in advance."""
RENDERED = "results"
"""The blueprint of maps, their drawings and their regions. Pages of every origin may read them,
without credentials: labeling tools draw them, and only who knows a job's random id sees them."""
PREFLIGHT_MAX_AGE_S = 600
REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, "
    f"{request_ids.HEADER}"
)
EXPOSED_HEADERS = (
    "Content-Disposition, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, "
    f"{request_ids.HEADER}"
)

_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\s/@:,\[\]]+)(:[0-9]{1,5})?")


class BrowserChecks:
    """The checks of one process."""

    def __init__(self, settings: Settings) -> None:
        """Allow the hosts and origins in `settings`."""
        self._origins = frozenset(settings.api_allowed_origins)
        self._hosts = frozenset(settings.api_allowed_hosts)
        reached_by_any_name = not self._hosts and not is_loopback(settings.api_host)
        self._any_host = ANY in self._hosts or reached_by_any_name

    def install(self, app: Flask) -> None:
        """Check every request before its route runs, and complete every response."""
        app.before_request(self._check)
        app.after_request(self._add_headers)

    def _check(self) -> Response | None:
        """Raise `HostNotAllowed` or `OriginNotAllowed`; answer a preflight request."""
        if request.path in PROBES:
            return None
        self._check_host(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return self._answer_preflight(request)
        if request.method not in SAFE_METHODS and not self._is_same_site(request):
            raise OriginNotAllowed(
                f"Pages of {quote(request.headers.get('Origin', 'another site'))} may not use this "
                "service. Its operator allows them with SEEWHY_API_ALLOWED_ORIGINS."
            )
        return None

    def _check_host(self, request: Request) -> None:
        authority = request.headers.get("Host")
        if authority is None or self._any_host:  # every browser sends Host
            return
        host = _host_of(authority) or ""
        if host not in self._hosts and (self._hosts or not is_loopback(host.strip("[]"))):
            raise HostNotAllowed(
                f"This service is not called {quote(authority)}. Its operator allows the name with "
                "SEEWHY_API_ALLOWED_HOSTS."
            )

    def _is_same_site(self, request: Request) -> bool:
        """Whether a request comes from this service's own pages, an allowed page, or no page.

        All browsers since 2023 send Sec-Fetch-Site, except over plain HTTP to other hosts than the
        local one; there Origin decides.
        """
        origin = request.headers.get("Origin")
        if origin in self._origins:
            return True
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in {"same-origin", "none"}
        if origin is None:
            return True
        # Not urlsplit, which raises for some hostile values.
        return origin.partition("://")[2] == request.headers.get("Host")

    def _answer_preflight(self, request: Request) -> Response | None:
        if request.routing_exception is not None:
            return None  # a problem response says more
        wanted = request.headers["Access-Control-Request-Method"]
        readable = request.blueprint == RENDERED and wanted in SAFE_METHODS
        if not readable and request.headers.get("Origin") not in self._origins:
            raise OriginNotAllowed(
                "Pages of this origin may not use this route. The operator allows them with "
                "SEEWHY_API_ALLOWED_ORIGINS."
            )
        response = Response(status=HTTPStatus.NO_CONTENT)
        methods = (request.url_rule and request.url_rule.methods) or set()
        response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(methods))
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
        return response

    def _add_headers(self, response: Response) -> Response:
        headers = response.headers
        if request.blueprint == RENDERED:
            headers["Access-Control-Allow-Origin"] = ANY
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        elif self._origins:
            headers.add("Vary", "Origin")
            if (origin := request.headers.get("Origin")) in self._origins:
                headers["Access-Control-Allow-Origin"] = str(origin)
        if "Access-Control-Allow-Origin" in headers:
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        return response


def _host_of(authority: str) -> str | None:
    """Return the host in a Host header, in lower case and without the port; None if it has none."""
    match = _AUTHORITY.fullmatch(authority.lower())
    return match["host"].removesuffix(".") if match else None
