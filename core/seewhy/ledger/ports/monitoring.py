"""What metrics are read from."""

from typing import Protocol

from seewhy.ledger.types import LedgerStatus, ServerStatus


class MonitoredLedger(Protocol):
    """Reads the state of the ledger. Every method raises `LedgerUnavailable`."""

    def status(self) -> LedgerStatus:
        """Read everything in one step, in a time that does not grow with the number of jobs.

        The oldest ready job is looked for among the first jobs of 100 tenants and 50 jobs in
        quarantine: with more of them in a lane, its age may be too low.
        """
        ...


class MonitoredServer(Protocol):
    """Reads the state of the server that holds the ledger."""

    def server_status(self) -> ServerStatus:
        """Read the server's own figures. Raises `LedgerUnavailable`."""
        ...
