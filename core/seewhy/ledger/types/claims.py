"""Claims: what a worker takes from the ledger and reports back."""

from dataclasses import dataclass
from enum import StrEnum

from seewhy.ledger.types.submissions import PASS_COST
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken under a lease. Only the holder of the current fence can finish it (I4)."""

    job_id: str
    fence: int
    attempt: int
    """The number of this attempt, counted from 1."""
    lane: str
    job: str
    context: RequestContext = DEFAULT_CONTEXT
    quarantined: bool = False
    """Whether the worker that holds it holds no other job."""
    waited_ms: int = 0
    """The time from the submission to this claim, by the ledger's clock."""
    tenants: int = 1
    """How many tenants had ready jobs in the lane, so that they share its part of the device."""
    may_have_result: bool = False
    """Whether the store may have a result of the job that the ledger does not know: it was accepted
    before the ledger may have lost writes."""
    cost: int = PASS_COST
    """What it is expected to take, as `Submission.cost` has it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A claim whose result is in the object store. `result` is JSON, opaque to the ledger."""

    claim: Claim
    result: str
    cost: int | None = None
    """What the job took, in the unit of `Submission.cost`; None if that was not measured."""
    stored_fence: int | None = None
    """The fence of the lost claim that stored the result; None if this claim did."""


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A claim that failed. Without `retry_in_ms` the failure is final."""

    claim: Claim
    code: str
    detail: str
    retry_in_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FinishReceipt:
    """The answer to a report of completions or failures."""

    applied: list[bool]
    """In the order of the report; False: the fence was stale and nothing changed."""
    dispatcher_wakeups: int = 0
    """How many wakeups the webhook dispatchers need now; 0 when the report made none due."""


class LeaseStatus(StrEnum):
    """The state of a claim when its lease is renewed."""

    HELD = "held"
    CANCEL = "cancel"
    """Held, and the client asked to cancel: confirm unless the result is already computed."""
    LOST = "lost"
    """The claim can no longer finish the job: drop it."""
