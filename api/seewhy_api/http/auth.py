"""Authentication and authorization: who sends a request, and whether the route allows it.

Every route declares with `requires` or `public` who may use it; `install` refuses one that does
not, and checks each request before its route runs.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Flask, Request, g, request

from seewhy.access.key_ring import KeyRing
from seewhy.access.policy import is_loopback
from seewhy.access.quotas import quotas_of, upload_quotas_of
from seewhy.access.records import Scope
from seewhy.errors import InsufficientScope, InvalidRequest, TooManyFailures, Unauthenticated
from seewhy.ledger.types import Quotas, UploadQuotas
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext, is_tenant
from seewhy.settings import Settings
from seewhy_api.http.failed_attempts import FailedAttempts
from seewhy_api.http.request_ids import current_request_id
from seewhy_api.http.request_traces import current_traceparent

View = TypeVar("View", bound=Callable[..., Any])

_SCOPES = "required_scopes"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a tenant, and what it may do and use."""

    context: RequestContext = DEFAULT_CONTEXT
    scopes: frozenset[Scope] = frozenset({Scope.SUBMIT, Scope.READ})
    """Without a key: everything but administration."""
    quotas: Quotas | None = None
    """Those of its API key, if it has one."""
    upload_quotas: UploadQuotas | None = None
    """Likewise."""


def requires(*scopes: Scope) -> Callable[[View], View]:
    """Allow a route to callers with all these scopes; without any, to every caller."""

    def declare(view: View) -> View:
        setattr(view, _SCOPES, frozenset(scopes))
        return view

    return declare


def public(view: View) -> View:
    """Allow a route to everybody, without authentication."""
    setattr(view, _SCOPES, None)
    return view


def required_scopes(view: Callable[..., Any]) -> frozenset[Scope] | None:
    """Return what a route requires; None for a public one."""
    scopes: frozenset[Scope] | None = getattr(view, _SCOPES)
    return scopes


def current_caller() -> Caller:
    """Return who sends the current request."""
    caller: Caller = g.caller
    return caller


def request_context() -> RequestContext:
    """Return the context of the current request."""
    return current_caller().context


class Authenticator:
    """Identifies the callers of one process."""

    def __init__(
        self, *, settings: Settings, keys: KeyRing, note_use: Callable[[str], None]
    ) -> None:
        """Accept `keys` and the gateway in `settings`, as `settings.auth` says.

        `note_use` receives the id of each valid key that is used.
        """
        self._settings = settings
        self._keys = keys
        self._note_use = note_use
        self._failures = FailedAttempts()

    def identify(self, request: Request) -> Caller:
        """Return who sends a request.

        Raises `Unauthenticated`, `TooManyFailures`, and `StoreUnavailable` when a key cannot be
        judged.
        """
        auth, address = self._settings.auth, request.remote_addr or ""
        if auth == "none":
            return Caller()
        if auth == "gateway" or (auth == "auto" and self._is_gateway(address)):
            return self._from_gateway(request, address)
        if self._requires_key():
            return self._from_key(request, address)
        return Caller(scopes=frozenset(Scope))  # who uses this machine operates the service

    def _is_gateway(self, address: str) -> bool:
        if not self._settings.tenant_header or not address:
            return False
        peer = ip_address(address)
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._settings.trusted_proxies)

    def _from_gateway(self, request: Request, address: str) -> Caller:
        """Build the caller that a gateway names. Raises `InvalidRequest` for an invalid name."""
        if not self._is_gateway(address):
            raise Unauthenticated("Requests are accepted from the gateway only.")
        header = self._settings.tenant_header or ""
        tenant = request.headers.get(header)
        if tenant is None:
            raise Unauthenticated(f"The gateway sent no {header}, which names the tenant.")
        if not is_tenant(tenant):
            raise InvalidRequest(f"{header} must have 1 to 64 letters, digits, `.`, `_` or `-`.")
        return Caller(RequestContext(tenant=tenant))

    def _requires_key(self) -> bool:
        settings = self._settings
        if settings.auth == "keys" or settings.tenant_header:
            return True
        return not is_loopback(settings.api_host) or self._keys.has_keys()

    def _from_key(self, request: Request, address: str) -> Caller:
        text = _presented_key(request)
        retry_after_s = self._failures.retry_after_s(address)
        try:
            record = self._keys.authenticate(text, may_list=not retry_after_s)
        except Unauthenticated as error:
            if retry_after_s:
                message = "Too many invalid keys from this address. A valid key still works."
                raise TooManyFailures(message, retry_after_s=retry_after_s) from error
            if self._failures.add(address):
                _log.warning("Invalid API key from %s: %s", address, error)
            raise
        self._note_use(record.key_id)
        context = RequestContext(tenant=record.tenant, key_id=record.key_id)
        return Caller(
            context,
            record.scopes,
            quotas_of(record, self._settings),
            upload_quotas_of(record, self._settings),
        )


def install(app: Flask, authenticator: Authenticator) -> None:
    """Check each request to the routes of `app`, which all must be registered.

    Raises `ValueError` for a route that does not declare who may use it.
    """
    for endpoint, view in app.view_functions.items():
        if not hasattr(view, _SCOPES):
            raise ValueError(f"{endpoint} does not declare who may use it")

    @app.before_request
    def authorize() -> None:
        if request.endpoint is None or request.method == "OPTIONS":
            return  # no route runs: 404, 405, or the methods of a route
        needed = required_scopes(app.view_functions[request.endpoint])
        if needed is None:
            return
        caller = authenticator.identify(request)
        context = replace(
            caller.context, request_id=current_request_id(), traceparent=current_traceparent()
        )
        g.caller = replace(caller, context=context)
        if missing := needed - current_caller().scopes:
            names = " and ".join(f"`{scope}`" for scope in sorted(missing))
            raise InsufficientScope(
                f"This API key does not have the scope {names}.", scope=" ".join(sorted(needed))
            )


def _presented_key(request: Request) -> str:
    """Return the bearer token, or the password of Basic: Label Studio sends nothing else."""
    if "Authorization" not in request.headers:
        raise Unauthenticated(
            "Send an API key: `Authorization: Bearer KEY`, or as the password of Basic "
            "authentication."
        )
    credentials = request.authorization
    if credentials is not None and credentials.type == "bearer":
        return credentials.token or ""
    if credentials is not None and credentials.type == "basic":
        return credentials.password or ""
    return ""
