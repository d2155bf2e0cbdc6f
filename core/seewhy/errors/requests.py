"""Errors of requests: what the API answers instead of doing what was asked."""

from seewhy.errors.root import SeewhyError


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


class UnknownImage(InvalidRequest):
    """The tenant has sent no image with this id."""

    code = "unknown_image"


class ImageUrlRefused(InvalidRequest):
    """No image may come from this URL."""

    code = "image_url_refused"


class ImageUnreachable(InvalidRequest):
    """The URL gives no image."""

    code = "image_unreachable"
    retryable = True


class TooManyPasses(InvalidRequest):
    """The explanation would take too many forward passes."""

    code = "too_many_passes"


class RequestTooLarge(InvalidRequest):
    """The request without its image exceeds a limit."""

    code = "request_too_large"


class BatchTooLarge(InvalidRequest):
    """The batch has too many items."""

    code = "batch_too_large"


class InvalidAnnotation(InvalidRequest):
    """An annotation is malformed, or its format cannot hold it."""

    code = "invalid_annotation"


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key belongs to another request."""

    code = "idempotency_key_reused"


class IdempotencyKeyBusy(InvalidRequest):
    """The first request with this idempotency key is still in progress."""

    code = "idempotency_key_busy"
    retryable = True


class NotAcceptable(SeewhyError):
    """The request accepts no media type that the resource has."""

    code = "not_acceptable"


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


class HostNotAllowed(AccessDenied):
    """The service is not called by this host name."""

    code = "host_not_allowed"


class OriginNotAllowed(AccessDenied):
    """Pages of this origin may not use the service."""

    code = "origin_not_allowed"


class NotFound(SeewhyError):
    """The requested resource does not exist."""

    code = "not_found"


class UnknownExplanation(NotFound):
    """No explanation with this id was accepted."""

    code = "unknown_explanation"


class ExplanationGone(NotFound):
    """The explanation is past its retention."""

    code = "explanation_gone"


class UnknownBatch(NotFound):
    """No batch with this id was accepted."""

    code = "unknown_batch"


class BatchGone(NotFound):
    """The batch is past its retention."""

    code = "batch_gone"


class ResultNotReady(NotFound):
    """The explanation has no result."""

    code = "result_not_ready"
    retryable = True


class UnknownKey(NotFound):
    """There is no API key with this id."""

    code = "unknown_key"
