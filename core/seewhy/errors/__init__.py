"""All errors of seewhy, in one tree.

SeewhyError
├── InvalidRequest            The request is not valid.
│   ├── UnknownModel          The catalog has no such model.
│   ├── UnknownMethod         There is no such explanation method.
│   ├── UnknownClass          The model has no such class.
│   ├── UnknownLayer          The model offers no such layer.
│   ├── UnknownImage          The tenant has sent no image with this id.
│   ├── ImageUrlRefused       No image may come from this URL.
│   ├── ImageUnreachable      The URL gives no image.
│   ├── TooManyPasses         The explanation would take too many forward passes.
│   ├── RequestTooLarge       The request without its image exceeds a limit.
│   ├── BatchTooLarge         The batch has too many items.
│   ├── InvalidAnnotation     An annotation is malformed, or its format cannot hold it.
│   ├── IdempotencyKeyReused  The idempotency key belongs to another request.
│   └── IdempotencyKeyBusy    The first request with this idempotency key is still in progress.
├── NotAcceptable             The request accepts no media type that the resource has.
├── BadImage                  The upload is not a valid image.
│   ├── EmptyImage            The upload is empty.
│   ├── UnsupportedImage      The content is not JPEG, PNG or WebP.
│   ├── ImageTooLarge         The image exceeds the limit on bytes or pixels.
│   └── BrokenImage           The image is truncated or corrupt.
├── AccessDenied              The caller may not do this.
│   ├── Unauthenticated       The request has no valid credentials.
│   ├── InsufficientScope     The API key does not allow this.
│   ├── HostNotAllowed        The service is not called by this host name.
│   └── OriginNotAllowed      Pages of this origin may not use the service.
├── NotFound                  The requested resource does not exist.
│   ├── UnknownExplanation    No explanation with this id was accepted.
│   ├── ExplanationGone       The explanation is past its retention.
│   ├── UnknownBatch          No batch with this id was accepted.
│   ├── BatchGone             The batch is past its retention.
│   ├── ResultNotReady        The explanation has no result.
│   └── UnknownKey            There is no API key with this id.
├── Unavailable               A required server does not respond.
│   ├── LedgerUnavailable     Redis does not respond.
│   ├── StoreUnavailable      The object store does not respond or refuses the request.
│   └── ModelNotServed        No worker has had this model lately.
├── Overloaded                A limit on what is open or waiting is reached.
│   ├── QueueFull             The queue of this model and priority is full.
│   ├── TenantQueueFull       The tenant's share of the queue is full.
│   ├── QuotaExceeded         The API key has used up one of its quotas.
│   ├── TenantRecordsFull     The tenant has too many records of jobs that were not computed.
│   ├── TooManyBatches        The tenant has too many unfinished batches.
│   ├── TooManyBatchUploads   The limit on batches that are received at once is reached.
│   ├── TooManyBatchDownloads The limit on long responses of batches at once is reached.
│   ├── TooManyStreams        The limit on open event streams is reached.
│   ├── TooManyRenderings     The limit on pixels drawn at once is reached.
│   ├── TooManyPredictions    The limit on requests for predictions served at once is reached.
│   ├── TooManyLargeBodies    The limit on large requests that are parsed or wait for it is reached.
│   ├── TooManyDownloads      The limit on images downloaded at once is reached.
│   ├── TooManyListings       The limit on lists that are read at once is reached.
│   ├── TooManyRedeliveries   The webhook was just sent again.
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
│   └── WorkerLost            The workers that ran this job died.
└── SettingsError             A setting is missing or invalid.
    └── DeviceNotFound        This machine has no such device.

`code` is stable and part of the HTTP contract: the class name in snake case. `retryable` says
whether the same call may succeed later. The API maps errors to HTTP statuses in one table.
"""

from seewhy.errors.requests import (
    AccessDenied,
    BadImage,
    BatchGone,
    BatchTooLarge,
    BrokenImage,
    EmptyImage,
    ExplanationGone,
    HostNotAllowed,
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    ImageTooLarge,
    ImageUnreachable,
    ImageUrlRefused,
    InsufficientScope,
    InvalidAnnotation,
    InvalidRequest,
    NotAcceptable,
    NotFound,
    OriginNotAllowed,
    RequestTooLarge,
    ResultNotReady,
    TooManyPasses,
    Unauthenticated,
    UnknownBatch,
    UnknownClass,
    UnknownExplanation,
    UnknownImage,
    UnknownKey,
    UnknownLayer,
    UnknownMethod,
    UnknownModel,
    UnsupportedImage,
)
from seewhy.errors.root import SeewhyError
from seewhy.errors.service import (
    LedgerUnavailable,
    ModelNotServed,
    Overloaded,
    QueueFull,
    QuotaExceeded,
    StoreUnavailable,
    TenantQueueFull,
    TenantRecordsFull,
    TooManyBatchDownloads,
    TooManyBatches,
    TooManyBatchUploads,
    TooManyDownloads,
    TooManyFailures,
    TooManyLargeBodies,
    TooManyListings,
    TooManyPredictions,
    TooManyRedeliveries,
    TooManyRenderings,
    TooManyStreams,
    Unavailable,
)
from seewhy.errors.work import (
    DeviceNotFound,
    ExecutionError,
    ExplainerFailed,
    ImageGone,
    ModelError,
    ObjectNotFound,
    OutOfMemory,
    SettingsError,
    UnsupportedModel,
    WeightsCorrupt,
    WeightsNotFound,
    WorkerLost,
)

__all__ = [
    "AccessDenied",
    "BadImage",
    "BatchGone",
    "BatchTooLarge",
    "BrokenImage",
    "DeviceNotFound",
    "EmptyImage",
    "ExecutionError",
    "ExplainerFailed",
    "ExplanationGone",
    "HostNotAllowed",
    "IdempotencyKeyBusy",
    "IdempotencyKeyReused",
    "ImageGone",
    "ImageTooLarge",
    "ImageUnreachable",
    "ImageUrlRefused",
    "InsufficientScope",
    "InvalidAnnotation",
    "InvalidRequest",
    "LedgerUnavailable",
    "ModelError",
    "ModelNotServed",
    "NotAcceptable",
    "NotFound",
    "ObjectNotFound",
    "OriginNotAllowed",
    "OutOfMemory",
    "Overloaded",
    "QueueFull",
    "QuotaExceeded",
    "RequestTooLarge",
    "ResultNotReady",
    "SeewhyError",
    "SettingsError",
    "StoreUnavailable",
    "TenantQueueFull",
    "TenantRecordsFull",
    "TooManyBatchDownloads",
    "TooManyBatchUploads",
    "TooManyBatches",
    "TooManyDownloads",
    "TooManyFailures",
    "TooManyLargeBodies",
    "TooManyListings",
    "TooManyPasses",
    "TooManyPredictions",
    "TooManyRedeliveries",
    "TooManyRenderings",
    "TooManyStreams",
    "Unauthenticated",
    "Unavailable",
    "UnknownBatch",
    "UnknownClass",
    "UnknownExplanation",
    "UnknownImage",
    "UnknownKey",
    "UnknownLayer",
    "UnknownMethod",
    "UnknownModel",
    "UnsupportedImage",
    "UnsupportedModel",
    "WeightsCorrupt",
    "WeightsNotFound",
    "WorkerLost",
]
