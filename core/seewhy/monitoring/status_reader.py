"""Reads the state of a service from its ledger, its workers and its object store."""

import time
from collections.abc import Callable
from typing import Protocol

from seewhy.errors import Unavailable
from seewhy.ledger.ports.maintenance import MaintenanceLedger
from seewhy.ledger.ports.monitoring import MonitoredLedger, MonitoredServer
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.monitoring.service_alerts import LedgerReadings
from seewhy.monitoring.service_status import DependencyChecks, ServiceStatus
from seewhy.storage.port import ObjectStore

STORE_CHECK_S = 5.0
"""How long an answer of the object store is kept: pages read the state every other second."""


class ReadLedger(MaintenanceLedger, MonitoredLedger, MonitoredServer, Protocol):
    """What the state is read from: a ledger, its server, and the registry of its workers."""

    @property
    def workers(self) -> WorkerRegistry:
        """The registry of the workers."""
        ...


class StatusReader:
    """Reads the state of one service. No method raises `Unavailable`: that is part of the state."""

    def __init__(
        self,
        *,
        ledger: ReadLedger,
        store: ObjectStore,
        lease_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read a ledger and an object store. A worker counts as lost after `lease_s` of silence."""
        self._ledger = ledger
        self._store = store
        self._lease_ms = round(lease_s * 1000)
        self._clock = clock
        self._store_answer = ""
        self._store_asked_s = float("-inf")

    def check(self) -> DependencyChecks:
        """Ask the ledger and the object store whether they respond."""
        return DependencyChecks(ledger=_check(self._ledger.check), store=_check(self._store.check))

    def read(self, *, shows_hosts: bool) -> ServiceStatus:
        """Read the state; `ServiceStatus.of` says what `shows_hosts` adds.

        The object store is asked once in `STORE_CHECK_S`.
        """
        if self._clock() - self._store_asked_s >= STORE_CHECK_S:
            self._store_asked_s = self._clock()
            self._store_answer = _check(self._store.check)
        checks = DependencyChecks(ledger=_check(self._ledger.check), store=self._store_answer)
        readings = self._read() if checks.ledger == "ok" else None
        return ServiceStatus.of(checks=checks, readings=readings, shows_hosts=shows_hosts)

    def _read(self) -> LedgerReadings | None:
        """Read the ledger; None if it has just stopped to answer."""
        try:
            return LedgerReadings(
                status=self._ledger.status(),
                server=self._ledger.server_status(),
                workers=self._ledger.workers.list_workers(),
                presence=self._ledger.workers.model_presence(),
                lease_ms=self._lease_ms,
            )
        except Unavailable:
            return None


def _check(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"
