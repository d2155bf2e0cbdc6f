"""Whether the servers that the API needs respond."""

from collections.abc import Callable

from seewhy.errors import Unavailable
from seewhy.monitoring.service_status import DependencyChecks
from seewhy_api.routes.dependencies import Dependencies


def check_dependencies(deps: Dependencies) -> DependencyChecks:
    """Ask the ledger and the object store."""
    return DependencyChecks(ledger=_check(deps.ledger.check), store=_check(deps.store.check))


def _check(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"
