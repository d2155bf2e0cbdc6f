"""The reader of completions goes on after a request that was cancelled or has failed."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from seewhy_loadtest.stages.completions import CompletionReader

JOB = {
    "id": "one",
    "status": "succeeded",
    "submitted_at": None,
    "started_at": None,
    "finished_at": None,
    "result": None,
    "attempts": 1,
    "error": None,
}


class Answer:
    """An HTTP response that raises, or lists the job as succeeded."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    async def __aenter__(self) -> "Answer":
        if self._error:
            raise self._error
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def json(self) -> dict[str, Any]:
        return {"explanations": [JOB], "missing": []}


class Session:
    """An HTTP session whose first request raises."""

    def __init__(self, error: BaseException) -> None:
        self._answers: Iterator[Answer] = iter([Answer(error), Answer(None)])

    def get(self, *_: object, **__: object) -> Answer:
        return next(self._answers)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), TimeoutError()], ids=repr)
def test_a_request_that_ends_without_an_answer_does_not_end_the_reader(
    error: BaseException,
) -> None:
    async def follow() -> CompletionReader:
        reader = CompletionReader(Session(error))  # type: ignore[arg-type]
        reader.add("one")
        task = asyncio.create_task(reader.run())
        async with asyncio.timeout(30):
            while reader.open_jobs and not task.done():
                await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return reader

    reader = asyncio.run(follow())
    assert reader.open_jobs == 0
    assert reader.endings["one"].state == "succeeded"
    assert reader.failed_requests == 1
