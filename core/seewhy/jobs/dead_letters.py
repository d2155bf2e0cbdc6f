"""Dead letters: failed jobs, for the operator to look at, try again or leave behind."""

import sys

from seewhy.errors import InvalidRequest, ObjectNotFound, UnknownExplanation
from seewhy.ids import new_job_id
from seewhy.imaging import codecs
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import Job, JobState
from seewhy.storage.keys import manifest_key
from seewhy.storage.port import ObjectStore


class DeadLetters:
    """Works on a ledger's dead letters. All methods raise `Unavailable`."""

    def __init__(self, *, ledger: Ledger, store: ObjectStore, promises: JobSubmitter) -> None:
        """Read manifests and pictures from this store; promise retries."""
        self._ledger = ledger
        self._store = store
        self._promises = promises

    def retry(self, job_id: str) -> str:
        """Promise a new job from a failed one's manifest and return its id.

        The failed job stays as it is and is no dead letter any more. Raises `InvalidRequest` when
        it has not failed, and `UnknownExplanation` when it or what it needs is gone.
        """
        record = self._failed(job_id)
        try:
            old = Manifest.model_validate_json(self._store.get(manifest_key(job_id)))
            key = Job.model_validate_json(record.job).image_key
            body = self._store.get(key)
        except ObjectNotFound as error:
            raise UnknownExplanation(f"{job_id} cannot be tried again: {error}") from error
        changes = {"job_id": new_job_id(), "idempotency_key": None, "retry_of": job_id}
        manifest = old.model_copy(update=changes)
        kind = codecs.read_header(body, max_bytes=len(body), max_pixels=sys.maxsize).media_type
        self._promises.submit(manifest, UploadedImage(key, body, kind))
        self._ledger.dismiss([job_id])
        return manifest.job_id

    def purge(self, *, before_ms: int) -> int:
        """Leave behind all that failed before a time (ms since 1970); return how many."""
        buried = 0
        while True:
            letters = self._ledger.list_dead_letters()
            old = [r.job_id for r in letters if (r.finished_ms or 0) < before_ms]
            buried += self._ledger.dismiss(old) if old else 0
            if len(old) < len(letters) or not letters:
                return buried

    def _failed(self, job_id: str) -> JobRecord:
        record = self._ledger.read(job_id)
        if record is None:
            raise UnknownExplanation(f"there is no job {job_id}")
        if record.state is not JobState.FAILED:
            raise InvalidRequest(f"{job_id} is {record.state}: only failed jobs are tried again")
        return record
