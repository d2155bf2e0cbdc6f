"""Everything that can go wrong, in one tree.

SeewhyError
├── InvalidRequest            the request cannot be honoured as it stands
│   ├── UnknownModel          no such model in the catalogue
│   ├── UnknownMethod         no such explanation method
│   ├── UnknownClass          the model has no such class
│   ├── UnknownLayer          the model offers no such layer
│   ├── KeyReused             the idempotency key belongs to another request
│   └── KeyBusy               the first request with this key is still being accepted
├── BadImage                  the bytes are not a picture that can be explained
│   ├── EmptyImage            no bytes at all
│   ├── UnsupportedImage      not JPEG, PNG or WebP, whatever its name says
│   ├── ImageTooLarge         more bytes or pixels than allowed
│   └── BrokenImage           truncated or corrupt
├── NotFound
│   ├── UnknownExplanation    no such explanation was ever accepted
│   ├── ExplanationGone       it existed; its retention is over
│   └── ResultNotReady        the explanation has no result (yet, or ever)
├── Unavailable               a server this process needs does not answer: try again
│   ├── LedgerUnavailable     Redis
│   └── StoreUnavailable      the object store
├── Crowded                   too much is waiting already: come back later
│   ├── QueueFull             of everybody's
│   └── TenantQueueFull       of this tenant's
├── ObjectAbsent              no object under this key
├── ModelError                a model cannot be served
│   ├── WeightsNotFound       neither on disk nor to be fetched
│   ├── WeightsCorrupt        the file is not the one the catalogue names
│   └── UnsupportedModel      the network cannot be explained
├── ExecutionError            an accepted job did not succeed
│   ├── OutOfMemory           the device or the process ran out of memory
│   ├── ExplainerFailed       the explainer raised on this picture alone
│   └── WorkerLost            the job's worker died, as often as is tolerated
└── SettingsError             the environment holds a mistake

`code` is stable and part of the HTTP contract; `retryable` says whether the same call may
succeed later. The HTTP status of each lives in the API's own table.
"""

from typing import ClassVar


class SeewhyError(Exception):
    """Root of the tree. `str(error)` is a sentence for people."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False


class InvalidRequest(SeewhyError):
    """The request cannot be honoured as it stands."""

    code = "invalid_request"


class UnknownModel(InvalidRequest):
    """No such model in the catalogue."""

    code = "unknown_model"


class UnknownMethod(InvalidRequest):
    """No such explanation method."""

    code = "unknown_method"


class UnknownClass(InvalidRequest):
    """The model has no such class."""

    code = "unknown_class"


class UnknownLayer(InvalidRequest):
    """The model offers no such layer."""

    code = "unknown_layer"


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key belongs to another request."""

    code = "idempotency_key_reused"


class IdempotencyKeyBusy(InvalidRequest):
    """The first request with this idempotency key is still being accepted."""

    code = "idempotency_key_busy"
    retryable = True


class BadImage(SeewhyError):
    """The bytes are not a picture that can be explained."""

    code = "bad_image"


class EmptyImage(BadImage):
    """No bytes at all."""

    code = "empty_image"


class UnsupportedImage(BadImage):
    """Not JPEG, PNG or WebP, whatever its name says."""

    code = "unsupported_image"


class ImageTooLarge(BadImage):
    """More bytes or pixels than allowed."""

    code = "image_too_large"


class BrokenImage(BadImage):
    """Truncated or corrupt."""

    code = "broken_image"


class NotFound(SeewhyError):
    """What was asked for is not there."""

    code = "not_found"


class UnknownExplanation(NotFound):
    """No such explanation was ever accepted."""

    code = "unknown_explanation"


class ExplanationGone(NotFound):
    """It existed; its retention is over."""

    code = "explanation_gone"


class ResultNotReady(NotFound):
    """The explanation has no result, yet or ever."""

    code = "result_not_ready"
    retryable = True


class Unavailable(SeewhyError):
    """A server this process needs does not answer."""

    code = "unavailable"
    retryable = True


class LedgerUnavailable(Unavailable):
    """Redis does not answer."""

    code = "ledger_unavailable"


class StoreUnavailable(Unavailable):
    """The object store does not answer."""

    code = "store_unavailable"


class Overloaded(SeewhyError):
    """Too much is waiting already. `retry_after_s` is when there may be room again."""

    code = "crowded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueueFull(Overloaded):
    """Too many jobs of this model and priority are waiting."""

    code = "queue_full"


class TenantQueueFull(Overloaded):
    """Too many of this tenant's jobs are waiting."""

    code = "tenant_queue_full"


class ObjectNotFound(SeewhyError):
    """No object under this key."""

    code = "object_absent"


class ModelError(SeewhyError):
    """A model cannot be served."""

    code = "model_error"


class WeightsNotFound(ModelError):
    """The weights are neither on disk nor to be fetched."""

    code = "weights_not_found"


class WeightsCorrupt(ModelError):
    """The file is not the one the catalogue names."""

    code = "weights_corrupt"


class UnsupportedModel(ModelError):
    """The network cannot be explained."""

    code = "unsupported_model"


class ExecutionError(SeewhyError):
    """An accepted job did not succeed."""

    code = "execution_error"


class OutOfMemory(ExecutionError):
    """The device or the process ran out of memory."""

    code = "out_of_memory"
    retryable = True


class ExplainerFailed(ExecutionError):
    """The explainer raised on this picture alone."""

    code = "explainer_failed"


class WorkerLost(ExecutionError):
    """The job's worker died, as often as is tolerated."""

    code = "worker_lost"


class SettingsError(SeewhyError):
    """The environment holds a mistake."""

    code = "settings_error"
