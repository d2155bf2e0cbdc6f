"""The manifest: everything needed to promise a job again, in the object store before all else."""

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ids import job_time
from seewhy.ledger.types import IdempotencyKey, JobRecord, Submission, WebhookStatus
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.job import JobState


class Manifest(BaseModel):
    """One accepted job. What a later version adds is ignored by this one."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    lane: str
    job: str = Field(description="A `seewhy.explanations.Job` as JSON text.")
    deadline_ms: int | None = Field(None, description="Counted from acceptance.")
    context: RequestContext = DEFAULT_CONTEXT
    fingerprint: str | None = Field(None, description="Of what is asked; None: not to be shared.")
    webhook: str | None = None
    idempotency_key: str | None = None
    request_digest: str
    retry_of: str | None = Field(None, description="The failed job that this one repeats.")

    @property
    def key(self) -> IdempotencyKey | None:
        """The client's key with the digest of its request."""
        if self.idempotency_key is None:
            return None
        return IdempotencyKey(self.idempotency_key, self.request_digest)

    @property
    def submission(self) -> Submission:
        """What the ledger is told."""
        return Submission(
            job_id=self.job_id,
            lane=self.lane,
            job=self.job,
            deadline_ms=self.deadline_ms,
            key=self.key,
            context=self.context,
            fingerprint=self.fingerprint,
            webhook=self.webhook,
        )

    @property
    def accepted(self) -> JobRecord:
        """The job as it stands when it has just been accepted."""
        return JobRecord(
            job_id=self.job_id,
            state=JobState.QUEUED,
            lane=self.lane,
            job=self.job,
            context=self.context,
            submitted_ms=round(job_time(self.job_id).timestamp() * 1000),
            webhook=WebhookStatus(self.webhook) if self.webhook else None,
        )
