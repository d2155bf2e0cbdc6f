"""The operations on explanations: submit, get, wait, events, cancel."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Unpack
from urllib.parse import quote
from uuid import uuid4

from seewhy.client.errors import ExplanationFailed
from seewhy.client.event_stream import follow_events
from seewhy.client.explanation import Event, Explanation
from seewhy.client.images import Image, ImageId, image_body, submission_body
from seewhy.client.operations import LONG_POLL_S, Operations
from seewhy.client.request_options import RequestOptions, given
from seewhy.client.responses import Model, Models, SentImage, Summary
from seewhy.client.sse import Message
from seewhy.schemas.agreement import MeasuredAgreement, ProjectAgreements
from seewhy.schemas.job import JobState


class ExplanationOperations(Operations):
    """Operations on single explanations, which are named by their id or by themselves."""

    async def upload(self, image: Image) -> ImageId:
        """Send an image (a file, its content or its URL) once, to submit it by its id.

        Raises `OSError` when the file cannot be read.
        """
        body = await self.network.call(image_body, image)
        response = await self._transport.send("POST", "/v1/images", **body)
        return ImageId(self._parse(SentImage, response).image_id)

    async def submit(self, image: Image, **options: Unpack[RequestOptions]) -> Explanation:
        """Submit an image (a file, its content, id or URL) and return without waiting.

        Raises `OSError` when the file cannot be read.
        """
        return await self._submit(image, options, wait_s=0)

    async def get(self, explanation: Explanation | str, *, wait_s: int = 0) -> Explanation:
        """Return the current explanation, after waiting up to `wait_s` (≤ 30) for it to finish."""
        return self._parse(Explanation, await self._poll(path_of(explanation), wait_s=wait_s))

    async def wait(
        self, explanation: Explanation | str, *, timeout_s: float = 300.0
    ) -> Explanation:
        """Return the explanation when it has finished, whatever its outcome.

        Raises `WaitTimedOut` after `timeout_s`.
        """
        return await self._wait(Explanation, path_of(explanation), timeout_s=timeout_s)

    async def events(self, explanation: Explanation | str) -> AsyncGenerator[Event, None]:
        """Yield the current state and every change, until the explanation has finished.

        Reconnects and resumes when a connection breaks. There is no timeout.
        """

        def parse(message: Message) -> Event:
            body = json.loads(message.data)
            event = Event.model_validate(body)
            if not event.status.terminal:
                return event
            finished = Explanation.model_validate(body).connected_to(self.connection)
            return event.model_copy(update={"explanation": finished})

        path = f"{path_of(explanation)}/events"
        async with aclosing(follow_events(self._transport, path, parse)) as events:
            async for event in events:
                yield event

    async def explain(
        self, image: Image, *, timeout_s: float = 300.0, **options: Unpack[RequestOptions]
    ) -> Explanation:
        """Submit an image and return its explanation, with a result.

        Raises `ExplanationFailed` when it ends without a result, `WaitTimedOut` after
        `timeout_s`, and `OSError` when the file cannot be read.
        """
        started_at = time.monotonic()
        explanation = await self._submit(image, options, wait_s=int(min(LONG_POLL_S, timeout_s)))
        if not explanation.status.terminal:
            left_s = max(timeout_s - (time.monotonic() - started_at), 0.0)
            explanation = await self.wait(explanation, timeout_s=left_s)
        if explanation.status is not JobState.SUCCEEDED:
            raise ExplanationFailed(explanation)
        return explanation

    async def cancel(self, explanation: Explanation | str) -> Explanation:
        """Request cancellation; the returned status shows whether it has taken effect."""
        response = await self._transport.send("POST", f"{path_of(explanation)}/cancel")
        return self._parse(Explanation, response)

    async def summaries(self) -> AsyncGenerator[Summary, None]:
        """Yield the latest explanations, the newest first, with why a person should look at them.

        The service lists the newest 2,000. They are read in pages, as they are asked for.
        """
        async with aclosing(self._summaries("/v1/summaries", following="before")) as summaries:
            async for summary in summaries:
                yield summary

    async def models(self) -> Models:
        """Return the service's catalog."""
        return self._parse(Models, await self._transport.send("GET", "/v1/models"))

    async def model(self, name: str) -> Model:
        """Return one model of the catalog, with the names of its classes as `labels`."""
        path = f"/v1/models/{quote(name, safe='')}"
        return self._parse(Model, await self._transport.send("GET", path))

    async def agreement(self, explanation: Explanation | str) -> MeasuredAgreement:
        """Return how well the explanation of an annotation in Label Studio agrees with it."""
        path = f"{path_of(explanation)}/agreement"
        return self._parse(MeasuredAgreement, await self._transport.send("GET", path))

    async def agreements(self, project: int, *, limit: int = 50) -> ProjectAgreements:
        """Return the annotations of a project in Label Studio that agree least, worst first.

        `limit` is at most 200.
        """
        path = f"/label-studio/projects/{project}/agreements"
        response = await self._transport.send("GET", path, params={"limit": limit})
        return self._parse(ProjectAgreements, response)

    async def _submit(self, image: Image, options: RequestOptions, *, wait_s: int) -> Explanation:
        request = given(options)
        # Always send a key, so that a request whose response is lost can be repeated.
        headers = {"Idempotency-Key": str(request.pop("idempotency_key", None) or uuid4())}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        body = await self.network.call(submission_body, image, request)
        response = await self._transport.send(
            "POST", "/v1/explanations", wait_s=wait_s, headers=headers, **body
        )
        return self._parse(Explanation, response)


def path_of(explanation: Explanation | str) -> str:
    """Return the path of an explanation."""
    explanation_id = explanation.id if isinstance(explanation, Explanation) else explanation
    return f"/v1/explanations/{quote(explanation_id, safe='')}"
