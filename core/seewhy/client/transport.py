"""HTTP requests to the service: retries, and errors for responses that are not 2xx."""

import ipaddress
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2

from seewhy.client.errors import RequestRejected, ServiceUnreachable, UnexpectedResponse
from seewhy.client.responses import ProblemDocument

_INITIAL_PAUSE_S = 0.25
_MAX_PAUSE_S = 30.0
_RETRYABLE_STATUSES = {httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS}


class Transport:
    """Sends requests, and repeats them when the service is unreachable or overloaded.

    Every request of the client is idempotent: reads, images, cancellations, and submissions, which
    carry an idempotency key.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float,
        attempts: int,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        """Send to `url`; `transport` replaces the network, for example in tests."""
        self.url = url
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._http = httpx2.Client(
            base_url=url,
            transport=transport,
            trust_env=not _is_loopback(url),  # a proxy cannot reach this machine's loopback
            follow_redirects=True,
            headers={"Accept": "application/json, */*;q=0.5"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        wait_s: float = 0.0,
        params: Mapping[str, str | float] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """Return a 2xx response. `wait_s` is added to the timeout, for long polls.

        Raises `ServiceUnreachable` and `RequestRejected`.
        """
        return self._send_with_retries(
            lambda: self._http.request(
                method,
                path,
                params=params,
                headers=headers,
                files=files,
                json=json,
                timeout=self._timeout_s + wait_s,
            )
        )

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str], read_timeout_s: float
    ) -> Iterator[httpx2.Response]:
        """Open a 2xx response whose body is read as it arrives.

        Raises `ServiceUnreachable` and `RequestRejected`. Reading raises httpx2's
        `TransportError`, also when nothing arrives for `read_timeout_s`.
        """
        response = self._send_with_retries(
            lambda: self._http.send(
                self._http.build_request("GET", path, headers=headers, timeout=read_timeout_s),
                stream=True,
            )
        )
        try:
            yield response
        finally:
            response.close()

    def _send_with_retries(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        for attempt in range(1, self._attempts + 1):
            is_last = attempt == self._attempts
            pause_s = _pause_s(attempt)
            try:
                response = send()
                if not response.is_success:
                    response.read()
            except httpx2.TransportError as error:
                if is_last or isinstance(error, httpx2.UnsupportedProtocol):
                    raise ServiceUnreachable(f"{self.url} does not answer: {error}") from error
            else:
                if response.is_success:
                    return response
                if is_last or not _is_retryable(response):
                    raise _rejection(response)
                pause_s = retry_after_s(response, default_s=pause_s)
            time.sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def read_json(self, response: httpx2.Response) -> Any:
        """Return the JSON body. Raises `UnexpectedResponse` when the body is not JSON."""
        try:
            return response.json()
        except ValueError as error:
            raise self.unexpected(response, "the response is not JSON") from error

    def unexpected(self, response: httpx2.Response, reason: str) -> UnexpectedResponse:
        """Return the error for a response that this version of seewhy does not send."""
        return UnexpectedResponse(
            f"{response.url} is not a seewhy service of this version: {reason}"
        )


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


def _is_loopback(url: str) -> bool:
    host = httpx2.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
