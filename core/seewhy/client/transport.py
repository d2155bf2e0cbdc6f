"""HTTP to the service: tries again what may be tried again, and turns answers into errors."""

import ipaddress
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2

from seewhy.client.errors import RequestRejected, ServiceUnreachable, UnexpectedResponse
from seewhy.client.responses import Refusal

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_TRY_LATER = {httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS}


class Transport:
    """Requests that are safe to repeat, repeated until they are answered or tried enough.

    Every request of the client is safe: reads are, cancelling twice is cancelling, and a
    submission carries an idempotency key.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        attempts: int,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        """`transport` replaces the network, for tests and unusual roads."""
        self.url = url
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._http = httpx2.Client(
            base_url=url,
            transport=transport,
            trust_env=not _is_loopback(url),  # no proxy knows the way to this machine
            follow_redirects=True,
            headers={"Accept": "application/json, */*;q=0.5"},
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
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """Return a 2xx answer, allowing the service `wait_s` longer than usual to give it.

        Raises `ServiceUnreachable` and `Refused`.
        """
        return self._answered(
            lambda: self._http.request(
                method,
                path,
                params=params,
                headers=headers,
                files=files,
                timeout=self._timeout_s + wait_s,
            )
        )

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str], silent_s: float
    ) -> Iterator[httpx2.Response]:
        """Open a 2xx answer to be read as it comes, never silent for longer than `silent_s`.

        Raises `ServiceUnreachable` and `Refused`, and httpx2's `TransportError` while it is read.
        """
        response = self._answered(
            lambda: self._http.send(
                self._http.build_request("GET", path, headers=headers, timeout=silent_s),
                stream=True,
            )
        )
        try:
            yield response
        finally:
            response.close()

    def _answered(self, ask: Callable[[], httpx2.Response]) -> httpx2.Response:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            pause_s = _pause_s(attempt)
            try:
                response = ask()
                if not response.is_success:
                    response.read()
            except httpx2.TransportError as error:
                if last or isinstance(error, httpx2.UnsupportedProtocol):
                    raise ServiceUnreachable(f"{self.url} does not answer: {error}") from error
            else:
                if response.is_success:
                    return response
                if last or not _worth_another_try(response):
                    raise _refused(response)
                pause_s = retry_after_s(response, default_s=pause_s)
            time.sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def read_json(self, response: httpx2.Response) -> Any:
        """Return the JSON body. Raises `UnexpectedAnswer` when there is none."""
        try:
            return response.json()
        except ValueError as error:
            raise self.unexpected(response, "its answer is not JSON") from error

    def unexpected(self, response: httpx2.Response, why: str) -> UnexpectedResponse:
        """Make the error for an answer that no seewhy service gives."""
        return UnexpectedResponse(f"{response.url} is not a seewhy service of this version: {why}")


def retry_after_s(response: httpx2.Response, *, default_s: float) -> float:
    """Return how long the service asks to wait, within reason."""
    try:
        asked_s = float(response.headers["retry-after"])
    except (KeyError, ValueError):  # absent, or a date, which seewhy never sends
        return default_s
    return min(max(asked_s, 0.0), _LONGEST_PAUSE_S)


def _pause_s(attempt: int) -> float:
    longest_s = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  (spreads clients, guards nothing)


def _worth_another_try(response: httpx2.Response) -> bool:
    if response.status_code in _TRY_LATER:
        return "retry-after" in response.headers
    if response.status_code == httpx2.codes.CONFLICT:
        return _problem(response).code == "idempotency_key_busy"
    return False


def _refused(response: httpx2.Response) -> RequestRejected:
    problem = _problem(response)
    detail = problem.detail or problem.title or response.reason_phrase
    return RequestRejected(problem=problem.code, detail=detail, status=response.status_code)


def _problem(response: httpx2.Response) -> Refusal:
    try:
        return Refusal.read(response.json())
    except ValueError:
        return Refusal()


def _is_loopback(url: str) -> bool:
    host = httpx2.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
