"""The client: one method per operation of the service."""

import io
import time
from collections.abc import Generator
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote
from uuid import uuid4

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydantic import BaseModel, ValidationError

from seewhy.client.errors import ExplanationFailed, WaitTimedOut
from seewhy.client.event_stream import follow_events
from seewhy.client.images import Image, ImageId, image_body, submission_body
from seewhy.client.request_options import RegionOptions, RequestOptions
from seewhy.client.responses import Event, Explanation, Links, Models, SentImage
from seewhy.client.transport import Transport, retry_after_s
from seewhy.schemas.job import JobState
from seewhy.schemas.map_regions import MapRegions

_LONG_POLL_S = 20

Response = TypeVar("Response", bound=BaseModel)


class Client:
    """A client of the service at `url`. Blocking and thread-safe; close it or use `with`.

    `key` is the API key that the service requires, if it does.
    Requests are repeated up to `attempts` times when the service is unreachable or overloaded.
    `timeout_s` applies to each response. Every method raises `ServiceUnreachable`,
    `UnexpectedResponse` and `RequestRejected`. An explanation is named by its id or by the
    `Explanation` itself.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 6,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Create a client. Nothing is sent yet."""
        self._transport = Transport(
            url, key=key, timeout_s=timeout_s, attempts=attempts, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def upload(self, image: Image) -> ImageId:
        """Send an image (a file, its content or its URL) once, to submit it by its id.

        Raises `OSError` when the file cannot be read.
        """
        response = self._transport.send("POST", "/v1/images", **image_body(image))
        return ImageId(self._parse(SentImage, response).image_id)

    def submit(self, image: Image, **options: Unpack[RequestOptions]) -> Explanation:
        """Submit an image (a file, its content, id or URL) and return without waiting.

        Raises `OSError` when the file cannot be read.
        """
        return self._submit(image, options, wait_s=0)

    def get(self, explanation: Explanation | str, *, wait_s: int = 0) -> Explanation:
        """Return the current explanation, after waiting up to `wait_s` (≤ 30) for it to finish."""
        return self._parse(Explanation, self._get(explanation, wait_s=wait_s))

    def wait(self, explanation: Explanation | str, *, timeout_s: float = 300.0) -> Explanation:
        """Return the explanation when it has finished, whatever its outcome.

        Raises `WaitTimedOut` after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            sent_at = time.monotonic()
            wait_s = int(min(_LONG_POLL_S, max(deadline - sent_at, 0)))
            response = self._get(explanation, wait_s=wait_s)
            latest = self._parse(Explanation, response)
            now = time.monotonic()
            if latest.status.terminal:
                return latest
            if now >= deadline:
                raise WaitTimedOut(latest.id, timeout_s=timeout_s)
            # Time spent in the long poll counts towards Retry-After.
            pause_s = sent_at + retry_after_s(response, default_s=1.0) - now
            time.sleep(min(max(pause_s, 0.0), deadline - now))

    def events(self, explanation: Explanation | str) -> Generator[Event, None, None]:
        """Yield the current state and every change, until the explanation has finished.

        Reconnects and resumes when a connection breaks. There is no timeout.
        """
        return follow_events(self._transport, f"{_path(explanation)}/events")

    def explain(
        self, image: Image, *, timeout_s: float = 300.0, **options: Unpack[RequestOptions]
    ) -> Explanation:
        """Submit an image and return its explanation, with a result.

        Raises `ExplanationFailed` when it ends without a result, `WaitTimedOut` after
        `timeout_s`, and `OSError` when the file cannot be read.
        """
        started_at = time.monotonic()
        explanation = self._submit(image, options, wait_s=int(min(_LONG_POLL_S, timeout_s)))
        if not explanation.status.terminal:
            left_s = max(timeout_s - (time.monotonic() - started_at), 0.0)
            explanation = self.wait(explanation, timeout_s=left_s)
        if explanation.status is not JobState.SUCCEEDED:
            raise ExplanationFailed(explanation)
        return explanation

    def overlay(
        self, explanation: Explanation | str, *, target: int = 0, method: str | None = None
    ) -> bytes:
        """Return the JPEG of one target's heatmap over the image.

        `method` is one of the requested methods, by default the first. `target` is an index into
        its targets. Raises `IndexError` when an `Explanation` has no such target; for an id the
        service rejects the request.
        """
        result = explanation.result if isinstance(explanation, Explanation) else None
        if result and target >= len(result.targets):
            raise IndexError(f"the explanation has {len(result.targets)} targets")
        # Target 0 is the default of the service, which may have rendered it in advance.
        params: dict[str, str | int] = {"map": target} if target else {}
        params |= {"method": method} if method else {}
        links = _links(explanation)
        path = (links and links.overlay) or f"{_path(explanation)}/overlay"
        return self._transport.send("GET", path, params=params).content

    def map(
        self, explanation: Explanation | str, *, method: str | None = None
    ) -> NDArray[np.float32]:
        """Return the signed maps (targets, map_height, map_width) at native resolution.

        `method` is one of the requested methods, by default the first.
        """
        links = _links(explanation)
        path = (links and links.map) or f"{_path(explanation)}/map.npy"
        params = {"method": method} if method else None
        response = self._transport.send("GET", path, params=params)
        try:
            maps = np.load(io.BytesIO(response.content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self._transport.unexpected(response, "the map is not an array") from error
        return np.asarray(maps, dtype=np.float32)

    def regions(
        self, explanation: Explanation | str, *, target: int = 0, **options: Unpack[RegionOptions]
    ) -> MapRegions:
        """Return the regions of one target's map, in pixels of the upright image.

        `target` is an index into `result.targets`. By default the largest region from 15 % of the
        strongest evidence on, or from the threshold of the request.
        """
        params = {"map": target, **_given(options)}
        response = self._transport.send("GET", f"{_path(explanation)}/regions", params=params)
        return self._parse(MapRegions, response)

    def mask(
        self, explanation: Explanation | str, *, target: int = 0, **options: Unpack[RegionOptions]
    ) -> NDArray[np.bool_]:
        """Return the pixels of the regions of one target's map, `(height, width)`.

        The arguments are those of `regions`.
        """
        params = {"map": target, "bits": "1", **_given(options)}
        response = self._transport.send("GET", f"{_path(explanation)}/mask.png", params=params)
        try:
            with PillowImage.open(io.BytesIO(response.content), formats=("PNG",)) as image:
                return np.asarray(image, dtype=np.bool_)
        except (OSError, SyntaxError, ValueError) as error:  # as Pillow raises
            raise self._transport.unexpected(response, "the mask is not a PNG") from error

    def cancel(self, explanation: Explanation | str) -> Explanation:
        """Request cancellation; the returned status shows whether it has taken effect."""
        response = self._transport.send("POST", f"{_path(explanation)}/cancel")
        return self._parse(Explanation, response)

    def models(self) -> Models:
        """Return the service's catalog."""
        return self._parse(Models, self._transport.send("GET", "/v1/models"))

    def _submit(self, image: Image, options: RequestOptions, *, wait_s: int) -> Explanation:
        request = {field: value for field, value in options.items() if value is not None}
        # Always send a key, so that a request whose response is lost can be repeated.
        headers = {"Idempotency-Key": str(request.pop("idempotency_key", None) or uuid4())}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        body = submission_body(image, request)
        response = self._transport.send(
            "POST", "/v1/explanations", wait_s=wait_s, headers=headers, **body
        )
        return self._parse(Explanation, response)

    def _get(self, explanation: Explanation | str, *, wait_s: int) -> httpx2.Response:
        params = {"wait": wait_s} if wait_s else None
        return self._transport.send("GET", _path(explanation), wait_s=wait_s, params=params)

    def _parse(self, kind: type[Response], response: httpx2.Response) -> Response:
        body = self._transport.read_json(response)
        try:
            return kind.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise self._transport.unexpected(response, f"{field}: {first['msg']}") from error


def _path(explanation: Explanation | str) -> str:
    explanation_id = explanation.id if isinstance(explanation, Explanation) else explanation
    return f"/v1/explanations/{quote(explanation_id, safe='')}"


def _given(options: RegionOptions) -> dict[str, Any]:
    """Return the options of regions as query parameters."""
    return {name: value for name, value in options.items() if value is not None}


def _links(explanation: Explanation | str) -> Links | None:
    return explanation.links if isinstance(explanation, Explanation) else None
