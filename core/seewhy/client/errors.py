"""What can go wrong for a client.

ClientError
├── ServiceUnreachable   no answer, however often it was tried
├── UnexpectedAnswer     what answers there is not a seewhy service of this version
├── Refused              the service said no, and why
├── Failed               the explanation ended without a result
└── TimedOut             the explanation had no outcome within the time given
"""

from seewhy.client.responses import Explanation
from seewhy.errors import SeewhyError


class ClientError(SeewhyError):
    """Root of the client's errors."""

    code = "client_error"


class ServiceUnreachable(ClientError):
    """No answer, however often it was tried."""

    code = "service_unreachable"
    retryable = True


class UnexpectedResponse(ClientError):
    """What answers there is not a seewhy service of this version."""

    code = "unexpected_answer"


class RequestRejected(ClientError):
    """The service said no. `problem` is its stable code, `detail` its sentence."""

    code = "refused"

    def __init__(self, *, problem: str, detail: str, status: int) -> None:
        """`status` is the HTTP status."""
        super().__init__(f"{detail} ({problem}, HTTP {status})")
        self.problem = problem
        self.detail = detail
        self.status = status


class ExplanationFailed(ClientError):
    """The explanation ended without a result: failed, cancelled or expired."""

    code = "failed"

    def __init__(self, explanation: Explanation) -> None:
        """`explanation` is in a terminal state other than succeeded."""
        reason = explanation.error
        why = f": {reason.detail} ({reason.code})" if reason else ""
        super().__init__(f"explanation {explanation.id} {explanation.status}{why}")
        self.explanation = explanation


class WaitTimedOut(ClientError):
    """The explanation had no outcome within the time given; it may have one later."""

    code = "timed_out"
    retryable = True

    def __init__(self, explanation_id: str, *, timeout_s: float) -> None:
        """Take the id, to ask again with."""
        super().__init__(f"explanation {explanation_id} has no outcome after {timeout_s:g} s")
        self.explanation_id = explanation_id
