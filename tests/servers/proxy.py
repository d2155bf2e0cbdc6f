"""A TCP proxy that injects network faults between a client and a real server."""

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


class FaultKind(Enum):
    """How the proxy treats bytes and connections."""

    NONE = auto()
    SLOW = auto()
    BLACK_HOLE = auto()
    CUT = auto()
    RESET = auto()
    REFUSE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A kind of fault and its parameters. Compared by identity: each injection is distinct."""

    kind: FaultKind = FaultKind.NONE
    delay_s: float = 0.0
    bytes_per_s: float = math.inf
    up_bytes: int | None = None
    down_bytes: int | None = None
    marker: bytes = b""


class FaultProxy:
    """Forwards bytes to a loopback port, subject to one fault at a time. Thread-safe.

    Faults apply to existing and new connections. `accepted` counts all connections so far, `cuts`
    those closed by `cut`, and `cuts_left` those that the current `cut` will still close.
    """

    def __init__(self, target_port: int, *, port: int = 0) -> None:
        """Forward to `target_port`; `start` opens the listening port, a free one for 0."""
        self.target_port = target_port
        self.port = port
        self.fault = Fault()
        self.accepted = 0
        self.cuts = 0
        self.cuts_left = 0.0
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen, on the same port until `stop`."""
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        """Reset all connections and stop listening."""
        self._do(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONTROL_LIMIT_S)
        self._loop.close()

    def heal(self) -> None:
        """End the current fault. Bytes that were dropped stay lost."""
        self._do(self._inject(Fault()))

    def slow(self, *, delay_s: float = 0.0, bytes_per_s: float = math.inf) -> None:
        """Delay each chunk by `delay_s` plus its length over `bytes_per_s`."""
        self._do(self._inject(Fault(FaultKind.SLOW, delay_s=delay_s, bytes_per_s=bytes_per_s)))

    def black_hole(self) -> None:
        """Accept connections and drop all bytes."""
        self._do(self._inject(Fault(FaultKind.BLACK_HOLE)))

    def reset(self) -> None:
        """Reset all connections, and new ones as soon as they are accepted."""
        self._do(self._inject(Fault(FaultKind.RESET)))

    def refuse(self) -> None:
        """Reset all connections and refuse new ones."""
        self._do(self._inject(Fault(FaultKind.REFUSE)))

    def half_open(self) -> None:
        """Close the server side of existing connections only; forward new connections."""
        self._do(self._sever())

    def cut(
        self,
        *,
        up_bytes: int | None = None,
        down_bytes: int | None = None,
        marker: bytes = b"",
        times: float = math.inf,
    ) -> None:
        """Close a connection at the first byte beyond `up_bytes` sent or `down_bytes` received.

        Bytes within the limit arrive. With a `marker`, counting starts where these bytes appear
        on the way up; connections without it are forwarded. The fault ends after `times` cuts.
        """
        fault = Fault(FaultKind.CUT, up_bytes=up_bytes, down_bytes=down_bytes, marker=marker)
        self._do(self._inject(fault, times=times))

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(_CONTROL_LIMIT_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _inject(self, fault: Fault, *, times: float = math.inf) -> None:
        self.fault = fault
        self.cuts_left = times if fault.kind is FaultKind.CUT else 0
        if fault.kind in {FaultKind.RESET, FaultKind.REFUSE}:
            self._reset_all()
        if fault.kind is FaultKind.REFUSE:
            self._close()
        elif self._server is None:
            await self._listen()

    async def _sever(self) -> None:
        await self._inject(Fault())
        for connection in self._connections:
            connection.sever()

    async def _shut_down(self) -> None:
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
        for connection in list(self._connections):
            connection.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(self, reader, writer)
        task = self._loop.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: "_Connection") -> None:
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.reset()

    def count_cut(self, fault: Fault) -> None:
        """Count a connection closed by `fault`, and end the fault after the last one."""
        self.cuts += 1
        if self.fault is fault:
            self.cuts_left -= 1
            if self.cuts_left <= 0:
                self.fault = Fault()


class _Connection:
    """A client's connection and its counterpart to the server."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._upstream: asyncio.StreamWriter | None = None
        self._severed = False
        self._meter = _CutMeter(proxy.fault)

    async def run(self) -> None:
        """Forward bytes both ways until the client disconnects."""
        kind = self._proxy.fault.kind
        if kind in {FaultKind.RESET, FaultKind.REFUSE}:
            return
        down: asyncio.Task[None] | None = None
        if kind is FaultKind.BLACK_HOLE:
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
        """Close the server side only."""
        self._severed = True
        if self._upstream is not None:
            self._upstream.transport.abort()

    def reset(self) -> None:
        """Close both sides, the client's with an RST."""
        for writer in (self._writer, self._upstream):
            if writer is None or writer.transport.is_closing():
                continue
            sock = writer.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, up: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                fault = self._proxy.fault
                if fault.kind is FaultKind.SLOW:
                    await asyncio.sleep(fault.delay_s + len(chunk) / fault.bytes_per_s)
                if fault.kind is FaultKind.BLACK_HOLE or self._severed or writer is None:
                    continue
                allowed = self._allowed(fault, chunk, up=up)
                writer.write(chunk[:allowed])
                await writer.drain()
                if allowed < len(chunk):
                    self._proxy.count_cut(fault)
                    self._close()
                    return
        if not (self._severed or self._proxy.fault.kind is FaultKind.BLACK_HOLE):
            self._close()

    def _allowed(self, fault: Fault, chunk: bytes, *, up: bool) -> int:
        if fault.kind is not FaultKind.CUT:
            return len(chunk)
        if self._meter.fault is not fault:
            self._meter = _CutMeter(fault)
        return self._meter.allowed(chunk, up=up)

    def _close(self) -> None:
        for writer in (self._writer, self._upstream):
            if writer is not None:
                writer.close()


class _CutMeter:
    """The bytes that one connection may still transfer under a `cut`."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = {True: fault.up_bytes, False: fault.down_bytes}
        self._armed = not fault.marker
        self._tail = b""

    def allowed(self, chunk: bytes, *, up: bool) -> int:
        """Return how many bytes of the chunk may be forwarded."""
        free = 0
        if not self._armed:
            seen = self._tail + chunk if up else b""
            position = seen.find(self.fault.marker) if up else -1
            if position < 0:
                self._tail = seen[-len(self.fault.marker) + 1 :] if up else self._tail
                return len(chunk)
            self._armed = True
            free = max(0, position - len(self._tail))
        left = self._left[up]
        if left is None:
            return len(chunk)
        counted = min(left, len(chunk) - free)
        self._left[up] = left - counted
        return free + counted


@contextmanager
def start_proxy(target_port: int, *, port: int = 0) -> Iterator[FaultProxy]:
    """Run a proxy to `target_port`, on a given or a free port, for the length of the block."""
    proxy = FaultProxy(target_port, port=port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
