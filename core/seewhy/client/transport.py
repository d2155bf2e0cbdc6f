"""HTTP requests to the service: retries, and errors for responses that are not 2xx."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any

import httpx2

from seewhy.client.errors import RequestRejected, ServiceUnreachable, UnexpectedResponse
from seewhy.client.network import Network, Request
from seewhy.client.responses import ProblemDocument

_INITIAL_PAUSE_S = 0.25
_MAX_PAUSE_S = 30.0
_RETRYABLE_STATUSES = {httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS}


class Transport:
    """Sends requests, and repeats them when the service is unreachable or overloaded.

    Every request of the client is idempotent: reads, images, cancellations, retries of batches, and
    submissions, which carry an idempotency key.
    """

    def __init__(self, network: Network, *, url: str, timeout_s: float, attempts: int) -> None:
        """Send over `network`; `url` is for messages."""
        self.network = network
        self.url = url
        self.attempts = attempts
        self._timeout_s = timeout_s

    async def send(
        self,
        method: str,
        path: str,
        *,
        wait_s: float = 0.0,
        params: Mapping[str, str | float] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        content: IO[bytes] | None = None,
    ) -> httpx2.Response:
        """Return a 2xx response. `wait_s` is added to the timeout, for long polls.

        Raises `ServiceUnreachable` and `RequestRejected`.
        """
        request = Request(
            method=method,
            path=path,
            timeout_s=self._timeout_s + wait_s,
            params=params,
            headers=headers,
            files=files,
            json=json,
            content=content,
        )
        return await self._send_with_retries(request, stream=False)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str | float] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout_s: float,
    ) -> AsyncIterator[httpx2.Response]:
        """Open a 2xx response whose body is read as it arrives.

        Raises `ServiceUnreachable` and `RequestRejected`. Reading raises httpx2's
        `TransportError`, also when nothing arrives for `read_timeout_s`.
        """
        request = Request(
            method="GET",
            path=path,
            timeout_s=read_timeout_s,
            params=params,
            headers=headers,
        )
        response = await self._send_with_retries(request, stream=True)
        try:
            yield response
        finally:
            await self.network.close_response(response)

    async def _send_with_retries(self, request: Request, *, stream: bool) -> httpx2.Response:
        for attempt in range(1, self.attempts + 1):
            is_last = attempt == self.attempts
            pause_s = _pause_s(attempt)
            try:
                response = await self.network.send(request, stream=stream)
                if stream and not response.is_success:
                    await self.network.read(response)
            except httpx2.TransportError as error:
                if is_last or isinstance(error, httpx2.UnsupportedProtocol):
                    raise ServiceUnreachable(f"{self.url} does not answer: {error}") from error
            else:
                if response.is_success:
                    return response
                if is_last or not _is_retryable(response):
                    raise _rejection(response)
                pause_s = retry_after_s(response, default_s=pause_s)
            await self.network.sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")


def read_json(response: httpx2.Response) -> Any:
    """Return the JSON body. Raises `UnexpectedResponse` when the body is not JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise unexpected(response, "the response is not JSON") from error


def unexpected(response: httpx2.Response, reason: str) -> UnexpectedResponse:
    """Return the error for a response that this version of seewhy does not send."""
    return UnexpectedResponse(f"{response.url} is not a seewhy service of this version: {reason}")


def retry_after_s(response: httpx2.Response, *, default_s: float) -> float:
    """Return the seconds of `Retry-After`, at most 30, or the default."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):  # absent, or a date, which seewhy never sends
        return default_s
    return min(max(seconds, 0.0), _MAX_PAUSE_S)


def _pause_s(attempt: int) -> float:
    max_s = min(_INITIAL_PAUSE_S * 2.0 ** (attempt - 1), _MAX_PAUSE_S)
    return max_s * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not security)


def _is_retryable(response: httpx2.Response) -> bool:
    if response.status_code in _RETRYABLE_STATUSES:
        return "retry-after" in response.headers
    if response.status_code == httpx2.codes.CONFLICT:
        return _problem(response).code == "idempotency_key_busy"
    return False


def _rejection(response: httpx2.Response) -> RequestRejected:
    problem = _problem(response)
    detail = problem.detail or problem.title or response.reason_phrase
    return RequestRejected(problem=problem.code, detail=detail, status=response.status_code)


def _problem(response: httpx2.Response) -> ProblemDocument:
    try:
        return ProblemDocument.parse(response.json())
    except ValueError:
        return ProblemDocument()
