"""Requests to the one Label Studio that the operator has configured, with its token."""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote, unquote

from seewhy.errors import ImageTooLarge, ImageUnreachable, SeewhyError
from seewhy.schemas.http_url import HttpUrl, parse_http_url
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.exchange import Answer, Exchange, NoAnswer

MAX_ANSWER_BYTES = 50_000_000
"""Of an answer that is not an image: the predictions of one task."""

_IMAGE_PATHS = ("/data/", "/tasks/")
_URI_CHARACTERS = "/%?=&:@!$'()*+,;~"

_ANY_NETWORK = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The operator chose the host. Metadata services stay out of reach."""

_log = logging.getLogger(__name__)


class LabelStudioError(SeewhyError):
    """Label Studio gave no answer, or not the expected one. Clients may read the message."""

    code = "label_studio_unreachable"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Give the status of the answer, if there was one."""
        super().__init__(message)
        self.status = status


class ApiKeyRefused(LabelStudioError):
    """Label Studio refuses SEEWHY_LABEL_STUDIO_API_KEY, until the operator sets another."""

    def __init__(self) -> None:
        """Label Studio answered 401."""
        super().__init__(
            "Label Studio refuses SEEWHY_LABEL_STUDIO_API_KEY (401).",
            status=HTTPStatus.UNAUTHORIZED,
        )


class ImageNotDelivered(ImageUnreachable):
    """Label Studio gave no answer to a request for an image. It may give one later."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a complete body."""

    status: int
    body: bytes


class LabelStudioClient:
    """Thread-safe. Each HTTP request ends within `timeout_s`; no redirect is followed."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        timeout_s: float,
        exchange: Exchange | None = None,
    ) -> None:
        """Use the Label Studio at `url`.

        `api_key` is a personal access token, which is exchanged for access tokens, or a legacy
        token.
        """
        self._base = parse_http_url(url)
        self._path = self._base.target.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._exchange = exchange or Exchange(networks=_ANY_NETWORK)
        self._lock = threading.Lock()
        self._access_token: str | None = None

    def path_of(self, reference: str) -> str | None:
        """Return the path of an image on this Label Studio; None if it is elsewhere.

        Only files and their redirects have such paths, so that no task reads the API.
        """
        if reference.startswith("/"):
            reference = self._base.origin + self._path + quote(reference, safe=_URI_CHARACTERS)
        try:
            url = parse_http_url(reference)
        except ValueError:
            return None
        folders = tuple(self._path + path for path in _IMAGE_PATHS)
        if url.origin != self._base.origin or not url.target.startswith(folders):
            return None
        return None if ".." in unquote(url.target.partition("?")[0]).split("/") else url.target

    def read_image(self, path: str, *, legacy_token: str | None, max_bytes: int) -> bytes:
        """Read an image with the API key, and if that is refused with `legacy_token`.

        With new tokens, it ends within twice `timeout_s`. Raises `ImageUnreachable`, of which
        `ImageNotDelivered` is one, and `ImageTooLarge`.
        """
        deadline = Deadline(2 * self._timeout_s)
        try:
            reply = self._get_image(path, legacy_token, max_bytes, deadline)
        except LabelStudioError as error:
            raise ImageNotDelivered(f"The image of the task: {error}") from error
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise ImageUnreachable(
                "Label Studio refuses the token (401). The operator sets "
                "SEEWHY_LABEL_STUDIO_API_KEY to a personal access token."
            )
        if reply.status != HTTPStatus.OK:
            raise ImageUnreachable(f"Label Studio answered {reply.status} for the image.")
        return reply.body

    def _get_image(
        self, path: str, legacy_token: str | None, max_bytes: int, deadline: Deadline
    ) -> Reply:
        def send(headers: Mapping[str, str]) -> Reply:
            return self._send("GET", path, headers, max_bytes=max_bytes, deadline=deadline)

        if self._api_key:
            with suppress(ApiKeyRefused):
                return self._request("GET", path, max_bytes=max_bytes, deadline=deadline)
        return send(_legacy(legacy_token) if legacy_token else {})

    def request(
        self, method: str, path: str, *, body: Any = None, deadline: Deadline | None = None
    ) -> Reply:
        """Send a request to the API, whose paths begin after `/api/`, with the API key.

        With a `deadline`, all that it takes ends by then. Raises `LabelStudioError`, of which
        `ApiKeyRefused` is one.
        """
        try:
            return self._request(method, f"{self._path}/api/{path}", body=body, deadline=deadline)
        except ImageTooLarge as error:
            raise LabelStudioError("The answer of Label Studio is too long.") from error

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        deadline: Deadline | None = None,
    ) -> Reply:
        """Send a request with the API key, once more with a new access token after a 401.

        Raises `LabelStudioError`, of which `ApiKeyRefused` is one, and `ImageTooLarge` for an
        answer of more than `max_bytes`.
        """

        def send(headers: Mapping[str, str]) -> Reply:
            return self._send(
                method, path, headers, body=body, max_bytes=max_bytes, deadline=deadline
            )

        headers = self._authorization(deadline)
        reply = send(headers)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._is_personal:
            reply = send(self._authorization(deadline, refused=headers))
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise ApiKeyRefused
        return reply

    @property
    def _is_personal(self) -> bool:
        """Whether the key is a personal access token: a JWT, unlike a legacy token."""
        return (self._api_key or "").count(".") == 2

    def _authorization(
        self, deadline: Deadline | None, *, refused: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return the header; a new one if it is `refused`, unless another thread has renewed it.

        One thread asks for a new one, and the others wait for it as long as for an answer.
        """
        if not self._api_key:
            return {}
        if not self._is_personal:
            return _legacy(self._api_key)
        if not acquire_in_time(self._lock, self._limit(deadline)):
            raise LabelStudioError("Label Studio returns no access token in time.")
        try:
            if self._access_token is None or refused == _bearer(self._access_token):
                self._access_token = self._refresh(self._api_key, deadline)
            return _bearer(self._access_token)
        finally:
            self._lock.release()

    def _limit(self, deadline: Deadline | None) -> Deadline:
        """Return the deadline of one HTTP request: `timeout_s`, and not after `deadline`."""
        if deadline is None:
            return Deadline(self._timeout_s)
        try:
            return Deadline(deadline.remaining_s(at_most_s=self._timeout_s))
        except TimeoutError:
            return deadline

    def _refresh(self, personal_token: str, deadline: Deadline | None) -> str:
        path = f"{self._path}/api/token/refresh"
        reply = self._send("POST", path, {}, body={"refresh": personal_token}, deadline=deadline)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise ApiKeyRefused
        require_answer(reply, {HTTPStatus.OK})
        access = parse_object(reply).get("access")
        if not isinstance(access, str) or not access.isascii():
            raise LabelStudioError("Label Studio returned no access token.")
        return access

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: Any = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        deadline: Deadline | None = None,
    ) -> Reply:
        sent = None if body is None else json.dumps(body).encode()
        typed = {**headers, "Content-Type": "application/json"} if sent else headers
        with self._open(method, path, typed, sent, self._limit(deadline)) as answer:
            received = bytearray()
            for chunk in answer.chunks():
                received += chunk
                if len(received) > max_bytes:
                    raise ImageTooLarge(f"the answer has more than {max_bytes} bytes, the limit")
            return Reply(answer.status, bytes(received))

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
    ) -> Iterator[Answer]:
        url = HttpUrl(self._base.scheme, self._base.host, self._base.port, path)
        try:
            with self._exchange.send(
                method, url, headers=headers, body=body, deadline=deadline
            ) as answer:
                yield answer
        except NoAnswer as error:
            _log.warning("Label Studio does not answer: %s", error)
            raise LabelStudioError(
                "Label Studio does not answer. The operator's log has the reason."
            ) from error


def acquire_in_time(lock: threading.Lock, deadline: Deadline) -> bool:
    """Acquire a lock; return False when that takes too long."""
    try:
        return lock.acquire(timeout=deadline.remaining_s())
    except TimeoutError:
        return False


def require_answer(reply: Reply, expected: set[HTTPStatus]) -> None:
    """Raise `LabelStudioError` for another status."""
    if reply.status not in expected:
        raise LabelStudioError(f"Label Studio answered {reply.status}.", status=reply.status)


def parse_object(reply: Reply) -> dict[str, Any]:
    """Parse a JSON object. Raises `LabelStudioError`."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise LabelStudioError("Label Studio did not answer with JSON.") from error
    if not isinstance(value, dict):
        raise LabelStudioError("Label Studio did not answer with a JSON object.")
    return value


def _legacy(token: str) -> dict[str, str]:
    return {"Authorization": f"Token {token}"}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
