"""The client: one method per thing that a service does."""

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from uuid_utils import uuid7

from seewhy.client.errors import ExplanationFailed, WaitTimedOut
from seewhy.client.event_stream import listen
from seewhy.client.responses import Event, Explanation, Models
from seewhy.client.transport import Transport, retry_after_s
from seewhy.schemas.job import JobState

_LONG_POLL_S = 20

Answer = TypeVar("Answer", bound=BaseModel)


class Options(TypedDict, total=False):
    """What may be asked for beside the picture; what is left out takes the service's default."""

    model: str | None
    """A name from `models()`."""
    method: str
    """How the map is made: one of the model's methods in `models()`."""
    fallback: Sequence[str]
    """Methods to try in turn while no map has the verdict `ok`."""
    score: str
    """What is explained: `logit` or `probability`."""
    layer: str | Sequence[str]
    """One of the model's layers, or several, whose maps are fused; unset: its target layer."""
    targets: str | Sequence[int | str | Mapping[str, Any]] | Mapping[str, Any]
    """`predicted`, `top:N`, or one or a list of: a class, `{"why": X, "not": [Y]}`,
    `{"against": X}`."""
    preset: str | None
    """`classic`: the original recipe, which settles method, score and drawing."""
    normalize: str | float
    """What is drawn as full heat: the strongest of the `image`, 1 for `none`, or a number."""
    outputs: Sequence[str] | None
    """What is made ahead of demand: `overlay`, `trust`, or nothing for big batches."""
    box: Mapping[str, float] | None
    """With `trust`: what the maps ought to lie in, x, y, width and height in pixels."""
    cache: bool
    """Whether the outcome may be that of another request that asked the same."""
    priority: str | None
    """`interactive` or `batch`."""
    deadline_s: float | None
    """Not worth explaining any more after so long."""
    webhook: str | None
    """A URL that is told of the outcome."""
    metadata: dict[str, Any] | None
    """Returned as it came."""
    idempotency_key: str | None
    """The same key and request give the same explanation; unset: a new one each call."""


class Client:
    """A service at `url`. Blocking; may be shared by threads; close it or use `with`.

    What is safe to repeat, which is everything here, is tried `attempts` times when the service
    does not answer or asks to come back later. `timeout_s` is for one answer.
    Methods raise `ServiceUnreachable`, `UnexpectedAnswer` and `Refused`, and what they name.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 30.0,
        attempts: int = 6,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Make a client; nothing is sent yet."""
        self._transport = Transport(
            url, timeout_s=timeout_s, attempts=attempts, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def submit(self, photo: Path | bytes, **options: Unpack[Options]) -> Explanation:
        """Hand in a picture (a file, or the bytes of one) and return at once.

        Raises `OSError` when the file cannot be read.
        """
        return self._submit(photo, options, wait_s=0)

    def get(self, explanation_id: str, *, wait_s: int = 0) -> Explanation:
        """Return how the explanation stands, after at most `wait_s` (≤ 30) for its outcome."""
        return self._read(Explanation, self._get(explanation_id, wait_s=wait_s))

    def wait(self, explanation_id: str, *, timeout_s: float = 300.0) -> Explanation:
        """Return the explanation once it has its outcome, good or bad. Raises `TimedOut`."""
        deadline = time.monotonic() + timeout_s
        while True:
            asked_at = time.monotonic()
            wait_s = int(min(_LONG_POLL_S, max(deadline - asked_at, 0)))
            response = self._get(explanation_id, wait_s=wait_s)
            explanation = self._read(Explanation, response)
            now = time.monotonic()
            if explanation.status.terminal:
                return explanation
            if now >= deadline:
                raise WaitTimedOut(explanation_id, timeout_s=timeout_s)
            # Time spent in the long poll counts: only an answer given at once makes us pause.
            pause_s = asked_at + retry_after_s(response, default_s=1.0) - now
            time.sleep(min(max(pause_s, 0.0), deadline - now))

    def events(self, explanation_id: str) -> Iterator[Event]:
        """Yield the present state and each change of it as it happens, the outcome last.

        Connects again by itself where it left off. It has no limit of its own: stop when you like.
        """
        return listen(self._transport, f"{_path(explanation_id)}/events")

    def explain(
        self, photo: Path | bytes, *, timeout_s: float = 300.0, **options: Unpack[Options]
    ) -> Explanation:
        """Hand in a picture and return its explanation, which has a result.

        Raises `Failed` when it ended without one, `TimedOut`, and `OSError` as `submit` does.
        """
        started_at = time.monotonic()
        explanation = self._submit(photo, options, wait_s=int(min(_LONG_POLL_S, timeout_s)))
        if not explanation.status.terminal:
            left_s = max(timeout_s - (time.monotonic() - started_at), 0.0)
            explanation = self.wait(explanation.id, timeout_s=left_s)
        if explanation.status is not JobState.SUCCEEDED:
            raise ExplanationFailed(explanation)
        return explanation

    def overlay(self, explanation: Explanation, *, target: int = 0) -> bytes:
        """Return the JPEG that shows one target on the photo.

        `target` is its place in `result.targets`; raises `IndexError` when there is none such.
        """
        path = explanation.links.overlay or f"{_path(explanation.id)}/overlay"
        if explanation.result and target >= len(explanation.result.targets):
            raise IndexError(f"the explanation has {len(explanation.result.targets)} targets")
        # The first is what the service shows unasked, and has often drawn already.
        params = {"map": target} if target else None
        return self._transport.send("GET", path, params=params).content

    def map(self, explanation: Explanation) -> NDArray[np.float32]:
        """Return the signed maps, (targets, map_height, map_width), at native resolution."""
        path = explanation.links.map or f"{_path(explanation.id)}/map.npy"
        response = self._transport.send("GET", path)
        try:
            array = np.load(io.BytesIO(response.content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self._transport.unexpected(response, "its map is not an array") from error
        return np.asarray(array, dtype=np.float32)

    def cancel(self, explanation_id: str) -> Explanation:
        """Ask that it be given up; its status says what came of it."""
        response = self._transport.send("POST", f"{_path(explanation_id)}/cancel")
        return self._read(Explanation, response)

    def models(self) -> Models:
        """Return the service's catalogue."""
        return self._read(Models, self._transport.send("GET", "/v1/models"))

    def _submit(self, photo: Path | bytes, options: Options, *, wait_s: int) -> Explanation:
        name, body = (
            ("image", photo) if isinstance(photo, bytes) else (photo.name, photo.read_bytes())
        )
        request = {field: value for field, value in options.items() if value is not None}
        # Ours when none is given, so that a lost answer can be asked for again.
        headers = {"Idempotency-Key": str(request.pop("idempotency_key", None) or uuid7())}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        parts = {
            "image": (name, body, "application/octet-stream"),
            "request": (None, json.dumps(request), "application/json"),
        }
        response = self._transport.send(
            "POST", "/v1/explanations", wait_s=wait_s, headers=headers, files=parts
        )
        return self._read(Explanation, response)

    def _get(self, explanation_id: str, *, wait_s: int) -> httpx2.Response:
        params = {"wait": wait_s} if wait_s else None
        return self._transport.send("GET", _path(explanation_id), wait_s=wait_s, params=params)

    def _read(self, kind: type[Answer], response: httpx2.Response) -> Answer:
        body = self._transport.read_json(response)
        try:
            return kind.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self._transport.unexpected(response, f"{place}: {first['msg']}") from error


def _path(explanation_id: str) -> str:
    return f"/v1/explanations/{quote(explanation_id, safe='')}"
