"""Parses large bodies one at a time, in a thread of their own.

While one is parsed, no other thread of the process runs. The allocator keeps up to 100 MB for a
thread that has parsed one.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flask import Request

from seewhy.errors import TooManyLargeBodies
from seewhy.settings import Settings
from seewhy_api.http.json_body import MAX_JSON_BYTES
from seewhy_api.http.slots import ClientSlots

PAUSE = 3
"""After a large body, in multiples of the processor time that it took: other requests have
three quarters of the time."""
RETRY_AFTER_S = 10

_Parsed = TypeVar("_Parsed")


class LargeBodies:
    """The large bodies of one process. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Let three eighths of the threads wait for their turn, and a quarter for one tenant."""
        threads = settings.api_threads
        self._slots = ClientSlots(
            total=max(1, threads * 3 // 8), per_client=max(1, threads // 4), refusal=_too_many
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
        self._next_s = 0.0
        """When the next one may begin."""

    def parse(self, request: Request, parse: Callable[[bytes], _Parsed], *, tenant: str) -> _Parsed:
        """Read the body of a request, and parse it.

        What is larger than `MAX_JSON_BYTES` waits for its turn, and is not in memory before. Raises
        as `parse` does, and `TooManyLargeBodies` when too many wait.
        """
        length = request.content_length
        if length is not None and length <= MAX_JSON_BYTES:
            return parse(request.get_data(cache=False))
        with self._slots.take(tenant):
            return self._thread.submit(self._parse_in_turn, request, parse).result()

    def _parse_in_turn(self, request: Request, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        began_s = time.thread_time()
        try:
            return parse(request.get_data(cache=False))
        finally:
            pause_s = PAUSE * (time.thread_time() - began_s)
            self._next_s = time.monotonic() + pause_s


def _too_many(limit: int) -> TooManyLargeBodies:
    return TooManyLargeBodies(
        f"The limit on large requests at once ({limit}) is reached. Retry later, with fewer tasks.",
        retry_after_s=RETRY_AFTER_S,
    )
