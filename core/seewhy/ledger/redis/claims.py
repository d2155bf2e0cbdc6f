"""Claiming and finishing jobs of the Redis ledger."""

from collections.abc import Sequence
from typing import Any

from seewhy.ledger.redis.client.encoding import decode_context, encode_claim, encode_completion
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import Claim, Completion, FinishReceipt, JobFailure, LeaseStatus


class RedisClaims:
    """Implements `seewhy.ledger.ports.claims.ClaimLedger`."""

    scripts: Scripts

    def claim(
        self,
        lanes: Sequence[str],
        *,
        owner: str,
        limit: int,
        max_cost: int | None = None,
        quarantine_lanes: Sequence[str] = (),
    ) -> list[Claim]:
        """Take up to `limit` ready jobs, earlier lanes first."""
        bound = {} if max_cost is None else {"max_cost": max_cost}
        more: int = 1
        rows: list[list[Any]] = []
        while more and not rows:
            more, *rows = self.scripts.call(
                "claims/claim",
                lanes=list(lanes),
                owner=owner,
                limit=limit,
                **bound,
                quarantine_lanes=[*lanes, *quarantine_lanes],
            )
        return [
            Claim(
                job_id,
                fence,
                attempt,
                lane,
                job,
                decode_context(context),
                bool(quarantined),
                waited_ms,
                tenants,
                bool(may_have_result),
                cost,
            )
            for (
                job_id,
                fence,
                attempt,
                lane,
                job,
                context,
                quarantined,
                waited_ms,
                tenants,
                may_have_result,
                cost,
            ) in rows
        ]

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        """Renew leases and return their states, in the order given."""
        answer = self.scripts.call("claims/renew", claims=[encode_claim(c) for c in claims])
        return [LeaseStatus(status) for status in answer]

    def complete(self, completions: Sequence[Completion]) -> FinishReceipt:
        """Make jobs `succeeded`."""
        claims = [encode_completion(done) for done in completions]
        applied, wakeups = self.scripts.call("claims/complete", claims=claims)
        return FinishReceipt([bool(one) for one in applied], wakeups)

    def fail(self, failures: Sequence[JobFailure]) -> FinishReceipt:
        """Make jobs `failed`, or queue them again while attempts are left."""
        claims = [
            encode_claim(f.claim, code=f.code, detail=f.detail, **_retry(f)) for f in failures
        ]
        applied, wakeups = self.scripts.call("claims/fail", claims=claims)
        return FinishReceipt([bool(one) for one in applied], wakeups)

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        """Return jobs unrun and uncharged to their place in the queue, after a delay."""
        held = [encode_claim(claim) for claim in claims]
        answer = self.scripts.call("claims/release", claims=held, retry_in_ms=retry_in_ms)
        return [bool(one) for one in answer]

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        """Make jobs `cancelled` that their clients asked to cancel."""
        held = [encode_claim(claim) for claim in claims]
        return [bool(one) for one in self.scripts.call("claims/cancel_claimed", claims=held)]

    def set_exposed(self, claim: Claim, *, exposed: bool) -> bool:
        """Record whether the worker of a quarantined job is exposed to it."""
        answer = self.scripts.call("claims/set_exposed", **encode_claim(claim, exposed=exposed))
        return bool(answer)


def _retry(failure: JobFailure) -> dict[str, int]:
    return {} if failure.retry_in_ms is None else {"retry_in_ms": failure.retry_in_ms}
