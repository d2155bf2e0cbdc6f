"""Authentication: builds the context of each request from its headers."""

import re

from flask import Request

from seewhy.errors import InvalidRequest
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.settings import Settings

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_context(request: Request, settings: Settings) -> RequestContext:
    """Build the context of a request; every route that touches a job calls this once.

    A gateway in front authenticates clients and names their tenant in `settings.tenant_header`.
    Without that header all requests share one tenant. Raises `InvalidRequest` for an invalid name.
    """
    header = settings.tenant_header
    tenant = request.headers.get(header) if header else None
    if tenant is None:
        return DEFAULT_CONTEXT
    if not _TENANT.fullmatch(tenant):
        raise InvalidRequest(f"{header} must have 1 to 64 letters, digits, `.`, `_` or `-`.")
    return RequestContext(tenant=tenant)
