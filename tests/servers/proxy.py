"""A TCP proxy that misbehaves on command, to stand between a client and a real server."""

import asyncio
import math
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

CHUNK_BYTES = 65_536
_CONTROL_LIMIT_S = 10.0


class Fate(Enum):
    """What befalls bytes and connections."""

    PASS = auto()
    SLOW = auto()
    BLACK_HOLE = auto()
    CUT = auto()
    RESET = auto()
    REFUSE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A fate and its numbers; each switch of the proxy is a new mode, never equal to another."""

    fate: Fate = Fate.PASS
    delay_s: float = 0.0
    bytes_per_s: float = math.inf
    up_bytes: int | None = None
    down_bytes: int | None = None
    marker: bytes = b""


class FaultProxy:
    """Passes bytes to `target_port` of the loopback until told otherwise, from any thread.

    A switch counts for connections that stand as well as for new ones. `cuts` counts the
    connections that `cut` has ended since the start, `cuts_left` those it still will; `accepted`
    all there ever were.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.mode = Mode()
        self.accepted = 0
        self.cuts = 0
        self.cuts_left = 0.0
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen on a free port, which is kept until `stop`."""
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        """Reset every connection and end."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONTROL_LIMIT_S)
        self._loop.close()

    def pass_on(self) -> None:
        """Be a good proxy. What was swallowed stays swallowed."""
        self._do(self._switch(Mode()))

    def slow(self, *, delay_s: float = 0.0, bytes_per_s: float = math.inf) -> None:
        """Hold each chunk back for `delay_s`, and longer the more bytes it has."""
        self._do(self._switch(Mode(Fate.SLOW, delay_s=delay_s, bytes_per_s=bytes_per_s)))

    def black_hole(self) -> None:
        """Accept connections and bytes, and let nothing come of them."""
        self._do(self._switch(Mode(Fate.BLACK_HOLE)))

    def reset(self) -> None:
        """Reset every connection, and each new one as soon as it is made."""
        self._do(self._switch(Mode(Fate.RESET)))

    def refuse(self) -> None:
        """Reset every connection, and stop listening."""
        self._do(self._switch(Mode(Fate.REFUSE)))

    def half_open(self) -> None:
        """Close the server's side of what stands, untold to the client; new connections pass."""
        self._do(self._sever())

    def cut(
        self,
        *,
        up_bytes: int | None = None,
        down_bytes: int | None = None,
        marker: bytes = b"",
        times: float = math.inf,
    ) -> None:
        """Close a connection on the first byte beyond so many up to the server, or down from it.

        What was let through arrives. With a `marker`, counting starts where these bytes appear
        on their way up, and connections without it live. After that many `times`, all pass.
        """
        mode = Mode(Fate.CUT, up_bytes=up_bytes, down_bytes=down_bytes, marker=marker)
        self._do(self._switch(mode, times=times))

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(_CONTROL_LIMIT_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _switch(self, mode: Mode, *, times: float = math.inf) -> None:
        self.mode = mode
        self.cuts_left = times if mode.fate is Fate.CUT else 0
        if mode.fate in {Fate.RESET, Fate.REFUSE}:
            self._reset_all()
        if mode.fate is Fate.REFUSE:
            self._close()
        elif self._server is None:
            await self._listen()

    async def _sever(self) -> None:
        await self._switch(Mode())
        for link in self._links:
            link.sever()

    async def _end(self) -> None:
        self._close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(self, reader, writer)
        task = self._loop.create_task(self._carry(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, link: "_Link") -> None:
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            link.reset()

    def count_cut(self, mode: Mode) -> None:
        """Count a connection ended by `mode`, and pass again when that was the last of them."""
        self.cuts += 1
        if self.mode is mode:
            self.cuts_left -= 1
            if self.cuts_left <= 0:
                self.mode = Mode()


class _Link:
    """One client's connection and its counterpart to the server."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._upstream: asyncio.StreamWriter | None = None
        self._severed = False
        self._meter = _Meter(proxy.mode)

    async def run(self) -> None:
        """Carry bytes both ways for as long as the client stays."""
        fate = self._proxy.mode.fate
        if fate in {Fate.RESET, Fate.REFUSE}:
            return
        down: asyncio.Task[None] | None = None
        if fate is Fate.BLACK_HOLE:
            self._severed = True
        else:
            try:
                reader, self._upstream = await asyncio.open_connection(
                    "127.0.0.1", self._proxy.target_port
                )
            except OSError:
                return
            down = asyncio.create_task(self._pump(reader, self._writer, up=False))
        try:
            await self._pump(self._reader, self._upstream, up=True)
        finally:
            if down is not None:
                down.cancel()
                await asyncio.gather(down, return_exceptions=True)

    def sever(self) -> None:
        """Lose the server without telling the client."""
        self._severed = True
        if self._upstream is not None:
            self._upstream.transport.abort()

    def reset(self) -> None:
        """End both sides at once, the client's with an RST."""
        for writer in (self._writer, self._upstream):
            if writer is None or writer.transport.is_closing():
                continue
            plug = writer.get_extra_info("socket")
            with suppress(OSError):
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, up: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                mode = self._proxy.mode
                if mode.fate is Fate.SLOW:
                    await asyncio.sleep(mode.delay_s + len(chunk) / mode.bytes_per_s)
                if mode.fate is Fate.BLACK_HOLE or self._severed or writer is None:
                    continue
                kept = self._allowed(mode, chunk, up=up)
                writer.write(chunk[:kept])
                await writer.drain()
                if kept < len(chunk):
                    self._proxy.count_cut(mode)
                    self._close()
                    return
        if not (self._severed or self._proxy.mode.fate is Fate.BLACK_HOLE):
            self._close()

    def _allowed(self, mode: Mode, chunk: bytes, *, up: bool) -> int:
        if mode.fate is not Fate.CUT:
            return len(chunk)
        if self._meter.mode is not mode:
            self._meter = _Meter(mode)
        return self._meter.allowed(chunk, up=up)

    def _close(self) -> None:
        for writer in (self._writer, self._upstream):
            if writer is not None:
                writer.close()


class _Meter:
    """Counts one connection's bytes against a mode that cuts."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._left = {True: mode.up_bytes, False: mode.down_bytes}
        self._armed = not mode.marker
        self._tail = b""

    def allowed(self, chunk: bytes, *, up: bool) -> int:
        """How many bytes of the chunk may pass."""
        free = 0
        if not self._armed:
            seen = self._tail + chunk if up else b""
            place = seen.find(self.mode.marker) if up else -1
            if place < 0:
                self._tail = seen[-len(self.mode.marker) + 1 :] if up else self._tail
                return len(chunk)
            self._armed = True
            free = max(0, place - len(self._tail))
        left = self._left[up]
        if left is None:
            return len(chunk)
        counted = min(left, len(chunk) - free)
        self._left[up] = left - counted
        return free + counted


@contextmanager
def proxied(target_port: int) -> Iterator[FaultProxy]:
    """Run a proxy for the length of the block."""
    proxy = FaultProxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
