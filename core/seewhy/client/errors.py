"""Errors of the client.

ClientError
├── ServiceUnreachable   the service did not answer any attempt
├── UnexpectedResponse   the response is not one of this version of seewhy
├── RequestRejected      the service rejected the request, with a code and a reason
├── ExplanationFailed    the explanation ended without a result
├── JournalUnusable      the journal of `explain_many` is another file, or is in use
├── ImageNotExplained    the image was refused, or could not be read
└── WaitTimedOut         the explanation or batch did not finish in the given time

`NotConnected` (`seewhy.client.connection`) is none of them: no service was asked.
"""

from seewhy.client.explanation import Explanation
from seewhy.client.responses import Problem
from seewhy.errors import SeewhyError


class ClientError(SeewhyError):
    """Base class of the client's errors."""

    code = "client_error"


class ServiceUnreachable(ClientError):
    """The service did not answer any attempt."""

    code = "service_unreachable"
    retryable = True


class UnexpectedResponse(ClientError):
    """The response is not one of this version of seewhy."""

    code = "unexpected_response"


class RequestRejected(ClientError):
    """The service rejected the request. `problem` is its error code, `detail` its message."""

    code = "request_rejected"

    def __init__(self, *, problem: str, detail: str, status: int) -> None:
        """Describe the rejection; `status` is the HTTP status."""
        super().__init__(f"{detail} ({problem}, HTTP {status})")
        self.problem = problem
        self.detail = detail
        self.status = status


class ExplanationFailed(ClientError):
    """The explanation ended without a result: it failed, was cancelled or expired."""

    code = "explanation_failed"

    def __init__(self, explanation: Explanation) -> None:
        """Describe an explanation in a terminal state other than `succeeded`."""
        error = explanation.error
        reason = f": {error.detail} ({error.code})" if error else ""
        super().__init__(f"explanation {explanation.id} {explanation.status}{reason}")
        self.explanation = explanation


class ImageNotExplained(ClientError):
    """The image was refused as an item of a batch, or could not be read."""

    code = "image_not_explained"

    def __init__(self, reason: Problem) -> None:
        """Keep the reason."""
        super().__init__(f"{reason.detail} ({reason.code})")
        self.reason = reason


class JournalUnusable(ClientError):
    """The file is not a journal, belongs to another request, or is in use."""

    code = "journal_unusable"


class WaitTimedOut(ClientError):
    """The explanation or batch did not finish in the given time. It may still finish."""

    code = "wait_timed_out"
    retryable = True

    def __init__(self, what: str, id_: str, *, timeout_s: float) -> None:
        """Keep the id, so that the caller can wait again; `what` is `explanation` or `batch`."""
        super().__init__(f"{what} {id_} did not finish within {timeout_s:g} s")
        self.id = id_
