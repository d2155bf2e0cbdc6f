"""Errors of the service: a server does not respond, or a limit is reached."""

from seewhy.errors.root import SeewhyError


class Unavailable(SeewhyError):
    """A required server does not respond."""

    code = "unavailable"
    retryable = True


class LedgerUnavailable(Unavailable):
    """Redis does not respond."""

    code = "ledger_unavailable"


class StoreUnavailable(Unavailable):
    """The object store does not respond or refuses the request."""

    code = "store_unavailable"


class ModelNotServed(Unavailable):
    """No worker has had this model lately."""

    code = "model_not_served"


class Overloaded(SeewhyError):
    """A limit on what is open or waiting is reached."""

    code = "overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        """Suggest a retry after `retry_after_s`."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueueFull(Overloaded):
    """The queue of this model and priority is full."""

    code = "queue_full"


class TenantQueueFull(Overloaded):
    """The tenant's share of the queue is full."""

    code = "tenant_queue_full"


class QuotaExceeded(Overloaded):
    """The API key has used up one of its quotas."""

    code = "quota_exceeded"

    def __init__(self, message: str, *, retry_after_s: int, quota: str, remaining: int) -> None:
        """Name the quota, and say what is left of it: less than the request needs."""
        super().__init__(message, retry_after_s=retry_after_s)
        self.quota = quota
        self.remaining = remaining


class TenantRecordsFull(Overloaded):
    """The tenant has too many records of jobs that were not computed."""

    code = "tenant_records_full"


class TooManyBatches(Overloaded):
    """The tenant has too many unfinished batches."""

    code = "too_many_batches"


class TooManyBatchUploads(Overloaded):
    """The limit on batches that are received at once is reached."""

    code = "too_many_batch_uploads"


class TooManyBatchDownloads(Overloaded):
    """The limit on long responses of batches at once is reached."""

    code = "too_many_batch_downloads"


class TooManyStreams(Overloaded):
    """The limit on open event streams is reached."""

    code = "too_many_streams"


class TooManyRenderings(Overloaded):
    """The limit on pixels drawn at once is reached."""

    code = "too_many_renderings"


class TooManyPredictions(Overloaded):
    """The limit on requests for predictions served at once is reached."""

    code = "too_many_predictions"


class TooManyLargeBodies(Overloaded):
    """The limit on large requests that are parsed or wait for it is reached."""

    code = "too_many_large_bodies"


class TooManyDownloads(Overloaded):
    """The limit on images downloaded at once is reached."""

    code = "too_many_downloads"


class TooManyListings(Overloaded):
    """The limit on lists that are read at once is reached."""

    code = "too_many_listings"


class TooManyRedeliveries(Overloaded):
    """The webhook was just sent again."""

    code = "too_many_redeliveries"


class TooManyFailures(Overloaded):
    """An address sent too many invalid credentials."""

    code = "too_many_failures"
