"""Restoring jobs of the Redis ledger after a loss."""

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import encode_outcome, encode_restoration
from seewhy.ledger.redis.client.keys import EPOCH
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import EpochMarker, JobOutcome, JobRestoration


class RedisRecovery:
    """Implements `seewhy.ledger.ports.recovery.RecoveryLedger`."""

    scripts: Scripts

    def restore(self, restoration: JobRestoration) -> bool:
        """Add a lost job, ahead of all jobs accepted since the loss."""
        return bool(self.scripts.call("recovery/restore", **encode_restoration(restoration)))

    def restore_outcome(self, job_id: str, outcome: JobOutcome) -> bool:
        """Finish an open job with the outcome that the store has of it."""
        fields = encode_outcome(outcome)
        return bool(self.scripts.call("recovery/restore_outcome", job_id=job_id, outcome=fields))

    def epoch_marker(self) -> EpochMarker:
        """Read which epoch the jobs belong to, and whether the server has restarted since."""
        with translated():
            epoch, marked_by = self.scripts.client.hmget(EPOCH, "epoch", "server")
            return EpochMarker(epoch, marked_by, self._server_run_id())

    def acquire_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Become the one process that recovers the ledger; False when another is."""
        return self._lead(owner, lease_ms, renew=False)

    def renew_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Extend the leadership; False when it was lost."""
        return self._lead(owner, lease_ms, renew=True)

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        """Write the epoch marker and give up the leadership; False when it was lost."""
        with translated():
            server = self._server_run_id()
        answer = self.scripts.call("recovery/set_epoch", owner=owner, epoch=epoch, server=server)
        return bool(answer)

    def _lead(self, owner: str, lease_ms: int, *, renew: bool) -> bool:
        answer = self.scripts.call(
            "recovery/acquire_leadership", owner=owner, lease_ms=lease_ms, renew=renew
        )
        return bool(answer)

    def _server_run_id(self) -> str:
        return str(self.scripts.client.info("server")["run_id"])
