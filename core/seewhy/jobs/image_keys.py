"""Which images the documents of jobs and batches use."""

from seewhy.jobs.batch_documents import Chunk
from seewhy.jobs.manifest import Manifest
from seewhy.schemas.job import Job


def image_keys_of(document: bytes) -> list[str]:
    """Return the keys of the images of a manifest or a chunk of a batch.

    Raises `ValueError` for any other content.
    """
    try:
        submissions = [Manifest.model_validate_json(document).submission]
    except ValueError:
        items = Chunk.model_validate_json(document).items
        submissions = [item.submission for item in items if item.submission]
    jobs = [Job.model_validate_json(submission.job) for submission in submissions]
    references = [job.reference.key for job in jobs if job.reference]
    return [*(job.image_key for job in jobs), *references]
