"""Places in a ledger's stream of events."""

from seewhy.ledger.ports.ledger import Ledger


def latest(ledger: Ledger) -> str:
    """The position of the latest event: who reads after it reads what comes from now on."""
    position = "0"
    while events := ledger.events(after=position, wait_ms=1):
        position = events[-1].position
    return position
