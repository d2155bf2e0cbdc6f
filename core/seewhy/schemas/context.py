"""The request context: for whom, and for which request, work is done."""

import re
from dataclasses import dataclass

DEFAULT_TENANT = "default"
"""The tenant of every request where neither keys nor a gateway name one."""

TENANT_PATTERN = r"[A-Za-z0-9._-]{1,64}"
"""The names that a tenant may have, as a regular expression."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """For whom a request runs, and its id. Stored with each job as one JSON object."""

    tenant: str = DEFAULT_TENANT
    """Queue limits, fair queueing, idempotency keys and coalescing are per tenant."""
    key_id: str | None = None
    """The API key of the request, if it has one. Quotas are per key."""
    request_id: str | None = None
    """The id of the request, for log lines about it."""
    traceparent: str | None = None
    """The span of the request (W3C Trace Context), while traces are on."""


DEFAULT_CONTEXT = RequestContext()
"""The context of work that no client requested."""


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    return re.fullmatch(TENANT_PATTERN, name) is not None
