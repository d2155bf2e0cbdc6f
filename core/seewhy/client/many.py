"""`explain_many`: any number of images, in batches, with a bounded number of open jobs."""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Unpack

from seewhy.client.batch import ItemStatus
from seewhy.client.batches import BatchOperations
from seewhy.client.errors import RequestRejected
from seewhy.client.image_chunks import ImageChunks
from seewhy.client.image_result import ImageResult, outcome_of
from seewhy.client.images import Image
from seewhy.client.journal import Journal, SentBatch
from seewhy.client.operations import Operations
from seewhy.client.request_options import RequestOptions, given

MAX_ITEMS = 100
"""Items of a batch: the service makes jobs of a hundred items at a time."""
_POLL_S = 1
_UNKNOWN_STATUSES = {404, 410}
_TOO_LARGE = 413


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far `explain_many` is. The total is known to the caller only."""

    done: int
    """Images with a result or an error so far, with those of earlier runs."""
    failed: int
    open: int
    """Items that were asked and have not ended."""


class BatchSize:
    """How many items the next batch gets: fewer after one that was too large for the service."""

    def __init__(self, most: int) -> None:
        """Begin with the most."""
        self.items = self._most = most
        self.may_grow = False
        """Whether an image that is too large even alone may be what made batches too large."""

    def divide(self, items: int) -> None:
        """Note that a batch of so many items, at least two, was too large."""
        self.items = min(self.items, items // 2)
        self.may_grow = False

    def note_accepted(self) -> None:
        """Note that a batch was accepted."""
        if self.may_grow:
            self.items = min(self._most, self.items * 2)


class ManyImages:
    """One run of `explain_many`."""

    def __init__(
        self,
        batches: BatchOperations,
        chunks: ImageChunks,
        *,
        options: RequestOptions,
        journal: Journal | None,
        max_items: int,
    ) -> None:
        """Ask for the images of `chunks`, with `options`, in batches of `max_items`."""
        self._batches = batches
        self._chunks = chunks
        self._options = options
        self._journal = journal
        self._open: list[SentBatch] = []
        self.size = BatchSize(max_items)

    @property
    def open_items(self) -> int:
        """How many items were asked and have not ended."""
        return sum(batch.open_items for batch in self._open)

    async def continue_earlier_run(self) -> None:
        """Take up the batches that an earlier run has left open."""
        for batch in self._journal.open_batches() if self._journal else ():
            if batch.id is None:  # it was killed while it sent this batch
                await self._send_again(batch)
            if batch.id is not None:
                self._chunks.expect(batch)
                self._open.append(batch)

    async def ask(self) -> list[ImageResult]:
        """Read the next images and send a batch of those that are new; return other results.

        Raises `OSError` when there is no room for the body.
        """
        network = self._batches.network
        chunk = await network.call(self._chunks.read_chunk, self.size.items)
        refused: list[ImageResult] = []
        try:
            if chunk.batch.names:
                if self._journal:
                    await network.call(self._journal.record_sending, chunk.batch)
                refused = await self._send(chunk.batch, chunk.body)
                if chunk.batch.id is not None:
                    self._open.append(chunk.batch)
        finally:
            await network.call(chunk.body.close)
        return chunk.ready + refused

    async def collect(self) -> AsyncGenerator[ImageResult, None]:
        """Yield the images that have ended since, after waiting a second if there are none."""
        network = self._batches.network
        started_at = time.monotonic()
        progressed = False
        for position, batch in enumerate(list(self._open)):
            async with aclosing(
                self._new_outcomes(batch, wait_s=0 if position else _POLL_S)
            ) as new:
                async for name, outcome in new:
                    progressed = True
                    if outcome is None:
                        self._chunks.ask_again([name])
                        continue
                    async with aclosing(self._end(name, outcome)) as results:
                        async for result in results:
                            yield result
            if not batch.open_items:
                self._open.remove(batch)
        if not progressed:
            # The service answers a long poll at once when too many clients wait.
            pause_s = started_at + _POLL_S - time.monotonic()
            await network.sleep(max(pause_s, 0.0))

    async def _new_outcomes(
        self, batch: SentBatch, *, wait_s: int
    ) -> AsyncGenerator[tuple[str, dict[str, Any] | None], None]:
        """Yield the name and the outcome of each item of a batch that has ended since.

        The outcome is None if the service has deleted it. In a batch that has ended, every item
        has: one that still waits will never be a job.
        """
        batch_id = str(batch.id)
        try:
            latest = await self._batches.get(batch_id, wait_s=wait_s)
        except RequestRejected as error:
            if error.status not in _UNKNOWN_STATUSES:
                raise
            self._forget(batch)
            return
        if latest.counts.ended == len(batch.ended) and not latest.status.terminal:
            return
        first_open = next(i for i in range(len(batch.names)) if i not in batch.ended)
        async with aclosing(self._batches.results(batch_id, after=first_open - 1)) as items:
            async for item in items:
                ended = item.status.terminal or latest.status.terminal
                if ended and item.index not in batch.ended:
                    batch.ended.add(item.index)
                    is_gone = item.status is ItemStatus.GONE
                    yield batch.names[item.index], None if is_gone else outcome_of(item)

    def _forget(self, batch: SentBatch) -> None:
        """Ask the open items again: the service does not have the batch, or not any more."""
        self._chunks.ask_again(batch.names)
        batch.ended.update(range(len(batch.names)))

    async def _send(self, batch: SentBatch, body: IO[bytes]) -> list[ImageResult]:
        """Send a batch, which then has an id; return the results of an image that is too large.

        A batch that is too large is asked again in parts, down to single images.
        """
        options: RequestOptions = {**self._options, "idempotency_key": batch.key}
        network, journal = self._batches.network, self._journal
        try:
            batch.id = (await self._batches.create_from_ndjson(body, **options)).id
        except RequestRejected as error:
            if error.status != _TOO_LARGE:
                raise
            if len(batch.names) == 1:
                self.size.may_grow = True
                return await self._end_too_large(batch.names[0], error)
            self.size.divide(len(batch.names))
            self._chunks.ask_again(batch.names)
            if journal:
                await network.call(journal.record_divided, batch)
        else:
            self.size.note_accepted()
            if journal:
                await network.call(journal.record_accepted, batch)
        return []

    async def _end_too_large(self, name: str, error: RequestRejected) -> list[ImageResult]:
        """Return the results of an image that the service refuses even alone: it is final."""
        outcome = {"error": {"code": error.problem, "detail": error.detail}}
        return [result async for result in self._end(name, outcome)]

    async def _end(
        self, name: str, outcome: Mapping[str, Any]
    ) -> AsyncGenerator[ImageResult, None]:
        """Record what became of an image; yield a result for each image of the name."""
        if self._journal:
            await self._batches.network.call(self._journal.record_end, name, outcome)
        for image in self._chunks.waiting.pop(name, ()):
            yield ImageResult.of(image, outcome, connection=self._batches.connection)

    async def _send_again(self, batch: SentBatch) -> None:
        """Send the body of a batch that may have been accepted; it may also be gone."""
        assert self._journal is not None  # noqa: S101  (for the type checker)
        network = self._batches.network
        try:
            body = await network.call(self._journal.body_path.open, "rb")
        except FileNotFoundError:
            return
        try:
            await self._send(batch, body)
        finally:
            await network.call(body.close)


class ManyOperations(Operations):
    """Explains any number of images."""

    batches: BatchOperations

    async def explain_many(
        self,
        images: Iterable[Image],
        *,
        max_open: int = 300,
        resume: Path | str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncGenerator[ImageResult, None]:
        """Explain the images of a folder or of any iterator; yield each result as it arrives.

        Sends batches of up to a hundred images and at most `max_open` open jobs, at the priority
        `batch`; a batch that is too large for the service is divided, down to single images. Images
        are read when it is their turn, one at a time. An image that cannot be read, is refused or
        fails is a result with an `error`, and the others go on. Results come in any order, with the
        image they belong to.

        `resume` names a journal. A run that was stopped, or killed, continues with the same journal
        and images: nothing is asked twice, not even what was under way, and results of earlier runs
        are yielded again, marked as `resumed`. What the service has answered is final; files that
        could not be read are tried again. A file whose size or time has changed is a new image.

        `on_progress` is called after each result. Raises `JournalUnusable` when the journal
        belongs to another request, is in use or cannot be opened, and `OSError` when it cannot be
        written.
        """
        if max_open < 1:
            raise ValueError("max_open must be at least 1")
        max_items = min(MAX_ITEMS, -(-max_open // 3))
        journal = None
        if resume is not None:
            journal = await self.network.call(Journal, Path(resume), given(options))
        chunks = ImageChunks(images, journal, self.connection)
        run = ManyImages(
            self.batches, chunks, options=options, journal=journal, max_items=max_items
        )
        done = failed = 0
        try:
            await run.continue_earlier_run()
            while run.open_items or not chunks.exhausted:
                async with aclosing(_step(run, chunks, max_open)) as results:
                    async for result in results:
                        done, failed = done + 1, failed + bool(result.error)
                        if on_progress:
                            on_progress(Progress(done=done, failed=failed, open=run.open_items))
                        yield result
        finally:
            if journal:
                await self.network.call(journal.close)


async def _step(
    run: ManyImages, chunks: ImageChunks, max_open: int
) -> AsyncGenerator[ImageResult, None]:
    """Ask for more images while there is room, then collect results."""
    while not chunks.exhausted and run.open_items + run.size.items <= max_open:
        for result in await run.ask():
            yield result
    if run.open_items:
        async with aclosing(run.collect()) as results:
            async for result in results:
                yield result
