"""The operations on batches: create, get, wait, events, results, overlays, cancel, retry."""

import json
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import IO, Any, Unpack
from urllib.parse import quote
from uuid import uuid4

import httpx2

from seewhy.client.batch import Batch, ItemResult
from seewhy.client.batch_items import Item, write_items
from seewhy.client.errors import ServiceUnreachable
from seewhy.client.event_stream import follow_events
from seewhy.client.images import Image
from seewhy.client.new_file import new_file
from seewhy.client.operations import Operations
from seewhy.client.request_options import RequestOptions, given
from seewhy.client.responses import Summary
from seewhy.client.resumable_stream import READ_TIMEOUT_S, ResumableStream
from seewhy.client.transport import unexpected

_NDJSON = "application/x-ndjson"
_UPLOAD_TIMEOUT_S = 300.0
"""The service stores the images of a batch before it answers."""


class BatchOperations(Operations):
    """Operations on batches, which are named by their id or by the `Batch` itself."""

    async def create(
        self, items: Iterable[Item | Image], **options: Unpack[RequestOptions]
    ) -> Batch:
        """Submit up to 10,000 items as one batch and return without waiting.

        An item is an image, or an `Item` with a key and options of its own; `options` apply to all.
        Files are read one at a time, into a temporary file that is sent. `refused` of the batch
        names the items that cannot be explained; the others go on. Raises `OSError` when a file
        cannot be read; nothing is sent then.
        """
        file = await self.network.call(write_items, items)
        try:
            return await self.create_from_ndjson(file, **options)
        finally:
            await self.network.call(file.close)

    async def get(self, batch: Batch | str, *, wait_s: int = 0) -> Batch:
        """Return the current batch, after waiting up to `wait_s` (≤ 30) for it to end."""
        return self._parse(Batch, await self._poll(_path(batch), wait_s=wait_s))

    async def wait(self, batch: Batch | str, *, timeout_s: float = 3600.0) -> Batch:
        """Return the batch when all its items have ended.

        Raises `WaitTimedOut` after `timeout_s`.
        """
        return await self._wait(Batch, _path(batch), timeout_s=timeout_s)

    async def events(self, batch: Batch | str) -> AsyncGenerator[Batch, None]:
        """Yield the batch now and after every change, at most once a second, until it has ended.

        Reconnects and resumes when a connection breaks. There is no timeout.
        """
        events = follow_events(
            self._transport,
            f"{_path(batch)}/events",
            lambda message: Batch.model_validate_json(message.data),
        )
        async with aclosing(events):
            async for latest in events:
                yield latest

    async def results(
        self, batch: Batch | str, *, after: int = -1
    ) -> AsyncGenerator[ItemResult, None]:
        """Yield what has become of each item so far, in their order, at any time.

        `after` continues after the item with this index. Reconnects and resumes when a connection
        breaks. Only one item at a time is in memory.
        """
        stream = ResumableStream(self._transport, f"{_path(batch)}/results")
        while True:
            if after >= 0:
                stream.params["after"] = after
            async with aclosing(stream.connect()) as lines:
                async for line, response in lines:
                    item = self._parse_item(line, response)
                    after = item.index
                    stream.mark_progress()
                    yield item
            if stream.complete:
                return
            await stream.pause()

    async def summaries(self, batch: Batch | str) -> AsyncGenerator[Summary, None]:
        """Yield the explanations of the items in their order, with why to look at them.

        Items without an explanation are left out. They are read in pages, as they are asked for.
        """
        path = f"{_path(batch)}/summaries"
        async with aclosing(self._summaries(path, following="first")) as summaries:
            async for summary in summaries:
                yield summary

    async def overlays(self, batch: Batch | str, path: Path | str) -> Path:
        """Save the stored overlays of the items that have succeeded so far as a zip archive.

        Each file is named by the index and the key of its item. Items with `outputs=[]` have none.
        The file appears when it is complete. Raises `OSError` when it cannot be written.
        """
        path = Path(path)
        async with new_file(self.network, path) as file:
            await self._download(f"{_path(batch)}/overlays.zip", file)
        return path

    async def cancel(self, batch: Batch | str) -> Batch:
        """Cancel a batch: queued jobs end, running jobs are asked to, other items never start.

        `cancel_requested` says that it goes on.
        """
        response = await self._transport.send("POST", f"{_path(batch)}/cancel")
        return self._parse(Batch, response)

    async def retry(self, batch: Batch | str) -> Batch:
        """Run the failed and expired items of an ended batch again, and return the new batch.

        A second retry of the same batch returns the same new batch.
        """
        response = await self._transport.send("POST", f"{_path(batch)}/retry")
        return self._parse(Batch, response)

    async def create_from_ndjson(self, file: IO[bytes], **options: Unpack[RequestOptions]) -> Batch:
        """Submit an open file with one item on each line, as the service takes them."""
        request = given(options)
        key = request.pop("idempotency_key", None)
        size_bytes = await self.network.call(file.seek, 0, os.SEEK_END)
        headers = {"Content-Type": _NDJSON, "Content-Length": str(size_bytes)}
        params = {"request": json.dumps(request)} if request else None
        return await self._submit(key, headers=headers, params=params, content=file)

    async def create_from_archive(
        self, path: Path | str, **options: Unpack[RequestOptions]
    ) -> Batch:
        """Submit the images of a zip archive; the key of an item is its path there.

        Raises `OSError` when the archive cannot be read.
        """
        request = given(options)
        key = request.pop("idempotency_key", None)
        file = await self.network.call(Path(path).open, "rb")
        try:
            parts = {
                "archive": (Path(path).name, file, "application/zip"),
                "request": (None, json.dumps(request), "application/json"),
            }
            return await self._submit(key, files=parts)
        finally:
            await self.network.call(file.close)

    async def create_from_folder(
        self, image_prefix: str, **options: Unpack[RequestOptions]
    ) -> Batch:
        """Submit the images of `s3://BUCKET/FOLDER/`, in a bucket that the operator has allowed.

        The service lists the folder afterwards. The key of an item is its path there.
        """
        request = given(options)
        key = request.pop("idempotency_key", None)
        return await self._submit(key, json={"image_prefix": image_prefix, **request})

    async def _submit(
        self, key: str | None, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Batch:
        # Always send a key, so that a batch whose response is lost can be sent again.
        headers = {"Idempotency-Key": str(key or uuid4()), **(headers or {})}
        response = await self._transport.send(
            "POST", "/v1/batches", wait_s=_UPLOAD_TIMEOUT_S, headers=headers, **body
        )
        return self._parse(Batch, response)

    async def _download(self, path: str, file: IO[bytes]) -> None:
        """Write a response to a file, again from its beginning when the connection breaks."""
        for attempt in range(1, self._transport.attempts + 1):
            await self.network.call(_empty, file)
            try:
                async with self._transport.stream(path, read_timeout_s=READ_TIMEOUT_S) as response:
                    async for block in self.network.blocks(response):
                        await self.network.call(file.write, block)
            except httpx2.TransportError as error:
                if attempt == self._transport.attempts:
                    raise ServiceUnreachable(f"{path}: connection lost: {error}") from error
            else:
                return

    def _parse_item(self, line: str, response: httpx2.Response) -> ItemResult:
        try:
            item = ItemResult.parse(json.loads(line))
        except ValueError as error:
            raise unexpected(response, f"invalid item: {error}") from error
        if item.explanation:
            item.explanation.connected_to(self.connection)
        return item


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _path(batch: Batch | str) -> str:
    batch_id = batch.id if isinstance(batch, Batch) else batch
    return f"/v1/batches/{quote(batch_id, safe='')}"
