"""Dead letters: failed jobs for the operator to inspect, retry or dismiss."""

import sys
from dataclasses import replace

from seewhy.errors import ExplanationGone, InvalidRequest, ObjectNotFound, UnknownExplanation
from seewhy.ids import new_job_id
from seewhy.imaging import codecs
from seewhy.jobs.batch_documents import BatchDocuments
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.ports.dead_letters import DeadLetterLedger
from seewhy.ledger.types import JobRecord, Submission
from seewhy.schemas.job import Job, JobState
from seewhy.storage.keys import manifest_key
from seewhy.storage.port import ObjectStore


class DeadLetters:
    """Retries and dismisses the dead letters of a ledger. All methods raise `Unavailable`."""

    def __init__(
        self, *, ledger: DeadLetterLedger, store: ObjectStore, submitter: JobSubmitter
    ) -> None:
        """Read manifests and images from `store`; submit retries through `submitter`."""
        self._ledger = ledger
        self._store = store
        self._submitter = submitter

    def retry(self, job_id: str) -> str:
        """Submit a failed job again as a new job, dismiss the failed one and return the new id.

        Raises `InvalidRequest` when the job has not failed, `UnknownExplanation` when the ledger
        has no such job, and `ExplanationGone` when its manifest or an image has expired.
        """
        record = self._require_failed(job_id)
        try:
            failed = self._submission_of(record)
            job = Job.model_validate_json(record.job)
            image = self._read(job.image_key)
            reference = self._read(job.reference.key) if job.reference else None
        except ObjectNotFound as error:
            raise ExplanationGone(f"Cannot retry {job_id}: {error}") from error
        self._submitter.require_room(failed.lane, context=failed.context)
        submission = replace(failed, job_id=new_job_id(), key=None, batch=None, batch_index=None)
        manifest = Manifest(submission=submission, retry_of=job_id)
        if reference:
            self._store.put(reference.key, reference.body, content_type=reference.media_type)
        self._submitter.submit(manifest, image)
        self._ledger.dismiss([job_id])
        return manifest.job_id

    def purge(self, *, before_ms: int) -> int:
        """Dismiss all jobs that failed before `before_ms` (since 1970). Returns how many."""
        dismissed = 0
        while True:
            records = self._ledger.list_dead_letters()
            old = [record.job_id for record in records if (record.finished_ms or 0) < before_ms]
            dismissed += self._ledger.dismiss(old) if old else 0
            if len(old) < len(records) or not records:
                return dismissed

    def _read(self, key: str) -> UploadedImage:
        """Read an image that was stored before. Raises `ObjectNotFound`."""
        body = self._store.get(key)
        header = codecs.read_header(
            body, max_bytes=len(body), max_pixels=sys.maxsize, max_side_px=sys.maxsize
        )
        return UploadedImage(key, body, header.media_type)

    def _submission_of(self, record: JobRecord) -> Submission:
        """Read how a job was submitted. Raises `ObjectNotFound`."""
        if record.batch is not None:
            documents = BatchDocuments(self._store)
            return documents.read_submission(record.batch, record.batch_index or 0)
        body = self._store.get(manifest_key(record.job_id))
        return Manifest.model_validate_json(body).submission

    def _require_failed(self, job_id: str) -> JobRecord:
        record = self._ledger.read(job_id)
        if record is None:
            raise UnknownExplanation(f"There is no job {job_id}.")
        if record.state is not JobState.FAILED:
            raise InvalidRequest(f"Cannot retry {job_id}: it is {record.state}, not failed.")
        return record
