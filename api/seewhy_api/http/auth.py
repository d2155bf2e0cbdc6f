"""Whose request it is: what the gateway in front says, where there is one."""

import re

from flask import Request

from seewhy.errors import InvalidRequest
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_context(request: Request, *, tenant_header: str | None) -> RequestContext:
    """Build the context of a request; without a tenant header all requests are one tenant's.

    Raises `InvalidRequest` for a name that is none.
    """
    name = request.headers.get(tenant_header) if tenant_header else None
    if name is None:
        return DEFAULT_CONTEXT
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{tenant_header} names a tenant: letters, digits, `.`, `_`, `-`, up to 64"
        )
    return RequestContext(tenant=name)
