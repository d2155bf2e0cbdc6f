"""The request context: for whom a request runs, from the HTTP door to the ledger."""

from dataclasses import dataclass

DEFAULT_TENANT = "default"
"""The tenant of every request on an installation without a tenant header."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """For whom a request runs. Stored with each job as one JSON object."""

    tenant: str = DEFAULT_TENANT
    """Queue limits, fair queueing, idempotency keys and coalescing are per tenant."""


DEFAULT_CONTEXT = RequestContext()
"""The context of work that no client requested."""
