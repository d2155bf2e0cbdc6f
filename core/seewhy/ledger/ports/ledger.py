"""The whole ledger, as composition roots and tests see it.

Invariants, which the contract tests assert on every implementation:

- I1  every non-terminal job is in `due`, scored by the time of its next check;
- I2  an attempt is charged when a job is claimed, crashes are counted apart; after a crash, the
      jobs that were running are quarantined: each runs alone in its worker process;
- I3  time is the ledger's, never a caller's;
- I4  a finish needs the current fence;
- I5  accepted - terminal - non-terminal = 0;
- I6  the same idempotency key and request give the same job, also after completion;
- I7  the open jobs of each lane are counted, and no submission exceeds the queue limits.
"""

from typing import Protocol

from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.ports.dead_letters import DeadLetterLedger
from seewhy.ledger.ports.jobs import JobLedger
from seewhy.ledger.ports.maintenance import ArchiveLedger, MaintenanceLedger
from seewhy.ledger.ports.monitoring import MonitoredLedger
from seewhy.ledger.ports.recovery import RecoveryLedger
from seewhy.ledger.ports.submission import SubmissionLedger


class Ledger(
    SubmissionLedger,
    ClaimLedger,
    JobLedger,
    MaintenanceLedger,
    ArchiveLedger,
    DeadLetterLedger,
    MonitoredLedger,
    RecoveryLedger,
    Protocol,
):
    """Everything the ledger does, except the outbox. Other callers take the smallest port."""
