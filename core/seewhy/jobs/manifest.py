"""The manifest: everything needed to submit a job again, written before the ledger accepts it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ids import job_time
from seewhy.ledger.types import JobRecord, Submission


class Manifest(BaseModel):
    """One accepted job, as the object store keeps it.

    Unknown fields are ignored, so that a later version may add some. Another format is refused.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    submission: Submission
    retry_of: str | None = Field(None, description="The failed job that this one repeats.")

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.submission.job_id

    @property
    def accepted(self) -> JobRecord:
        """The record of the job when it was accepted."""
        submitted_ms = round(job_time(self.job_id).timestamp() * 1000)
        return JobRecord.accepted(self.submission, submitted_ms=submitted_ms)
