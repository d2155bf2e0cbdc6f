"""Learns how accepted jobs ended: asks for a hundred of them at a time, when they may have ended.

When it asks does not matter for latencies: the service records when each job ended.
"""

import asyncio
import heapq
import statistics
import time
from collections import deque
from datetime import datetime
from typing import Any

import aiohttp

from seewhy_loadtest.stages.record import LOST, Ending

JOBS_PER_REQUEST = 100
INTERVAL_S = 0.1
FIRST_CHECK_S = 0.25
LATER_CHECK = 0.3
"""An open job is asked for again when it is older by this share."""
_RECENT = 200
_ERROR_PAUSE_S = 1.0
_TERMINAL = {"succeeded", "failed", "cancelled", "expired"}
LOST_AFTER = 3
"""How often in a row the service must not know a job: it may be restoring jobs."""


class CompletionReader:
    """Follows jobs until they have ended."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        """Ask the service of this session."""
        self._http = http
        self._due: list[tuple[float, str, float]] = []
        """When to ask, the job, and when it was added: a heap."""
        self._followed: set[str] = set()
        self._unknown: dict[str, int] = {}
        self._ages_s: deque[float] = deque(maxlen=_RECENT)
        self.endings: dict[str, Ending] = {}
        """Job id → how it ended."""
        self.requests = 0
        self.failed_requests = 0

    @property
    def open_jobs(self) -> int:
        """How many jobs have not ended, as far as is known."""
        return len(self._followed) - len(self.endings)

    def add(self, job_id: str) -> None:
        """Follow a job that was just accepted."""
        if job_id in self._followed:
            return
        self._followed.add(job_id)
        now_s = time.monotonic()
        usual_s = statistics.median(self._ages_s) if self._ages_s else FIRST_CHECK_S
        heapq.heappush(self._due, (now_s + max(FIRST_CHECK_S, 1.2 * usual_s), job_id, now_s))

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            while self._due and self._due[0][0] <= time.monotonic():
                try:
                    await self._ask_alone()
                except (aiohttp.ClientError, OSError, ValueError):
                    self.failed_requests += 1
                    await asyncio.sleep(_ERROR_PAUSE_S)

    async def _ask_alone(self) -> None:
        """Ask in a task of its own: a timeout that cancels it late must not end this one."""
        asking = asyncio.create_task(self._ask())
        try:
            await asyncio.wait({asking})
        finally:
            asking.cancel()
        if asking.cancelled():
            raise TimeoutError
        asking.result()

    async def _ask(self) -> None:
        now_s = time.monotonic()
        asked: dict[str, float] = {}
        while self._due and self._due[0][0] <= now_s and len(asked) < JOBS_PER_REQUEST:
            _, job_id, added_s = heapq.heappop(self._due)
            asked[job_id] = added_s
        try:
            await self._read(asked)
        finally:
            for job_id, added_s in asked.items():
                if job_id not in self.endings:
                    wait_s = max(FIRST_CHECK_S, LATER_CHECK * (now_s - added_s))
                    heapq.heappush(self._due, (now_s + wait_s, job_id, added_s))

    async def _read(self, asked: dict[str, float]) -> None:
        self.requests += 1
        async with self._http.get(
            "/v1/explanations", params={"ids": ",".join(asked)}, raise_for_status=True
        ) as response:
            listed = await response.json()
        for job in listed["explanations"]:
            self._unknown.pop(job["id"], None)
            if job["status"] in _TERMINAL:
                self.endings[job["id"]] = _ending(job)
                self._ages_s.append(time.monotonic() - asked[job["id"]])
        for job in listed["missing"]:
            seen = self._unknown[job["id"]] = self._unknown.get(job["id"], 0) + 1
            if seen >= LOST_AFTER:
                self.endings[job["id"]] = Ending(LOST, error=job["code"])


def _ending(job: dict[str, Any]) -> Ending:
    return Ending(
        state=job["status"],
        submitted_at_s=_seconds(job["submitted_at"]),
        started_at_s=_seconds(job["started_at"]),
        finished_at_s=_seconds(job["finished_at"]),
        timings_ms=job["result"]["timings_ms"] if job["result"] else {},
        attempts=job["attempts"],
        error=job["error"]["code"] if job["error"] else "",
    )


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()
