"""All errors of seewhy, in one tree.

SeewhyError
├── InvalidRequest            The request is not valid.
│   ├── UnknownModel          The catalog has no such model.
│   ├── UnknownMethod         There is no such explanation method.
│   ├── UnknownClass          The model has no such class.
│   ├── UnknownLayer          The model offers no such layer.
│   ├── TooManyPasses         The explanation would take too many forward passes.
│   ├── RequestTooLarge       The request without its image exceeds a limit.
│   ├── IdempotencyKeyReused  The idempotency key belongs to another request.
│   └── IdempotencyKeyBusy    The first request with this idempotency key is still in progress.
├── BadImage                  The upload is not a valid image.
│   ├── EmptyImage            The upload is empty.
│   ├── UnsupportedImage      The content is not JPEG, PNG or WebP.
│   ├── ImageTooLarge         The image exceeds the limit on bytes or pixels.
│   └── BrokenImage           The image is truncated or corrupt.
├── AccessDenied              The caller may not do this.
│   ├── Unauthenticated       The request has no valid credentials.
│   └── InsufficientScope     The API key does not allow this.
├── NotFound                  The requested resource does not exist.
│   ├── UnknownExplanation    No explanation with this id was accepted.
│   ├── ExplanationGone       The explanation is past its retention.
│   ├── ResultNotReady        The explanation has no result.
│   └── UnknownKey            There is no API key with this id.
├── Unavailable               A required server does not respond.
│   ├── LedgerUnavailable     Redis does not respond.
│   └── StoreUnavailable      The object store does not respond or refuses the request.
├── Overloaded                A limit on what is open or waiting is reached.
│   ├── QueueFull             The queue of this model and priority is full.
│   ├── TenantQueueFull       The tenant's share of the queue is full.
│   ├── TooManyStreams        The limit on open event streams is reached.
│   └── TooManyFailures       An address sent too many invalid credentials.
├── ObjectNotFound            The object store has no object under this key.
├── ModelError                A model cannot be served.
│   ├── WeightsNotFound       The weights are neither on disk nor downloadable.
│   ├── WeightsCorrupt        The weights file does not match its checksum.
│   └── UnsupportedModel      The network cannot be explained.
├── ExecutionError            An accepted job failed.
│   ├── ImageGone             The image expired before the job ran.
│   ├── OutOfMemory           The device or the process ran out of memory.
│   ├── ExplainerFailed       The explainer raised an unexpected error on this image.
│   └── WorkerLost            The worker died on every attempt at this job.
└── SettingsError             A setting is missing or invalid.

`code` is stable and part of the HTTP contract: the class name in snake case. `retryable` says
whether the same call may succeed later. The API maps errors to HTTP statuses in one table.
"""

from typing import ClassVar


class SeewhyError(Exception):
    """Base class of all errors. `str(error)` is a message for people."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False


class InvalidRequest(SeewhyError):
    """The request is not valid."""

    code = "invalid_request"


class UnknownModel(InvalidRequest):
    """The catalog has no such model."""

    code = "unknown_model"


class UnknownMethod(InvalidRequest):
    """There is no such explanation method."""

    code = "unknown_method"


class UnknownClass(InvalidRequest):
    """The model has no such class."""

    code = "unknown_class"


class UnknownLayer(InvalidRequest):
    """The model offers no such layer."""

    code = "unknown_layer"


class TooManyPasses(InvalidRequest):
    """The explanation would take too many forward passes."""

    code = "too_many_passes"


class RequestTooLarge(InvalidRequest):
    """The request without its image exceeds a limit."""

    code = "request_too_large"


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key belongs to another request."""

    code = "idempotency_key_reused"


class IdempotencyKeyBusy(InvalidRequest):
    """The first request with this idempotency key is still in progress."""

    code = "idempotency_key_busy"
    retryable = True


class BadImage(SeewhyError):
    """The upload is not a valid image."""

    code = "bad_image"


class EmptyImage(BadImage):
    """The upload is empty."""

    code = "empty_image"


class UnsupportedImage(BadImage):
    """The content is not JPEG, PNG or WebP."""

    code = "unsupported_image"


class ImageTooLarge(BadImage):
    """The image exceeds the limit on bytes or pixels."""

    code = "image_too_large"


class BrokenImage(BadImage):
    """The image is truncated or corrupt."""

    code = "broken_image"


class AccessDenied(SeewhyError):
    """The caller may not do this."""

    code = "access_denied"


class Unauthenticated(AccessDenied):
    """The request has no valid credentials."""

    code = "unauthenticated"

    def __init__(self, message: str, *, invalid: bool = False) -> None:
        """Say whether there were credentials, which were `invalid`."""
        super().__init__(message)
        self.invalid = invalid


class InsufficientScope(AccessDenied):
    """The API key does not allow this."""

    code = "insufficient_scope"

    def __init__(self, message: str, *, scope: str) -> None:
        """Name the scopes that are needed, separated by spaces."""
        super().__init__(message)
        self.scope = scope


class NotFound(SeewhyError):
    """The requested resource does not exist."""

    code = "not_found"


class UnknownExplanation(NotFound):
    """No explanation with this id was accepted."""

    code = "unknown_explanation"


class ExplanationGone(NotFound):
    """The explanation is past its retention."""

    code = "explanation_gone"


class ResultNotReady(NotFound):
    """The explanation has no result."""

    code = "result_not_ready"
    retryable = True


class UnknownKey(NotFound):
    """There is no API key with this id."""

    code = "unknown_key"


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


class TooManyStreams(Overloaded):
    """The limit on open event streams is reached."""

    code = "too_many_streams"


class TooManyFailures(Overloaded):
    """An address sent too many invalid credentials."""

    code = "too_many_failures"


class ObjectNotFound(SeewhyError):
    """The object store has no object under this key."""

    code = "object_not_found"


class ModelError(SeewhyError):
    """A model cannot be served."""

    code = "model_error"


class WeightsNotFound(ModelError):
    """The weights are neither on disk nor downloadable."""

    code = "weights_not_found"


class WeightsCorrupt(ModelError):
    """The weights file does not match its checksum."""

    code = "weights_corrupt"


class UnsupportedModel(ModelError):
    """The network cannot be explained."""

    code = "unsupported_model"


class ExecutionError(SeewhyError):
    """An accepted job failed."""

    code = "execution_error"


class ImageGone(ExecutionError):
    """The image expired before the job ran."""

    code = "image_gone"


class OutOfMemory(ExecutionError):
    """The device or the process ran out of memory."""

    code = "out_of_memory"
    retryable = True


class ExplainerFailed(ExecutionError):
    """The explainer raised an unexpected error on this image."""

    code = "explainer_failed"


class WorkerLost(ExecutionError):
    """The worker died on every attempt at this job."""

    code = "worker_lost"


class SettingsError(SeewhyError):
    """A setting is missing or invalid."""

    code = "settings_error"
