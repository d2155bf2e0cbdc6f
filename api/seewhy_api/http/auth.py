"""Whose request it is: what the gateway in front says, where there is one."""

import re

from flask import Request

from seewhy.errors import InvalidRequest
from seewhy.ledger.types import DEFAULT_TENANT

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def tenant_of(request: Request, *, header: str | None) -> str:
    """Read the tenant's name from `header`; without one, all requests are one tenant's.

    Raises `InvalidRequest` for a name that is none.
    """
    name = request.headers.get(header) if header else None
    if name is None:
        return DEFAULT_TENANT
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{header} names a tenant: letters, digits, `.`, `_`, `-`, up to 64")
    return name
