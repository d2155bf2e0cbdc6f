"""Exposure: tells the ledger while the image of a quarantined job may crash this process."""

import contextlib

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.types import Claim
from seewhy_worker.pipeline.leases import Leases


class ExposureRefused(Exception):
    """The job must not run now: a crash could not be told from one with another cause."""


class Exposure:
    """Marks the steps of a quarantined job that run code on its image. Thread-safe.

    A crash in these steps is evidence against the job. Jobs that are not quarantined need no mark:
    a crash only quarantines them.
    """

    def __init__(self, *, ledger: ClaimLedger, leases: Leases) -> None:
        """Tell `ledger`; `leases` are all claims of this process."""
        self._ledger = ledger
        self._leases = leases

    def begin(self, claim: Claim) -> None:
        """Call before an image is decoded. Raises `ExposureRefused`."""
        if not claim.quarantined:
            return
        if not self._leases.holds_only(claim):
            raise ExposureRefused("a batch that lost its leases is still running")
        try:
            held = self._ledger.set_exposed(claim, exposed=True)
        except LedgerUnavailable as error:
            raise ExposureRefused(str(error)) from error
        if not held:
            raise ExposureRefused("the claim was lost")

    def end(self, claim: Claim) -> None:
        """Call when only the results remain to be stored. The report of the job ends it too."""
        if claim.quarantined:
            with contextlib.suppress(LedgerUnavailable):
                self._ledger.set_exposed(claim, exposed=False)
