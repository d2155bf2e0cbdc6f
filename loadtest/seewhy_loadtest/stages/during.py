"""A command that runs during a stage, such as one that injects a fault."""

import asyncio
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from seewhy_loadtest.stages.record import CommandRun


class DuringCommand:
    """A command that runs during a stage."""

    def __init__(self, command: str | None) -> None:
        """Run `command`, without a shell; None runs nothing."""
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._started_at_s = self._ended_at_s = 0.0

    async def run(self) -> None:
        """Run the command, if there is one."""
        if self._command is None:
            return
        self._started_at_s = time.time()
        self._process = await asyncio.create_subprocess_exec(*shlex.split(self._command))
        try:
            await self._process.wait()
        finally:
            self._ended_at_s = time.time()

    async def stop(self) -> None:
        """Terminate the command if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def ended(self, zero_s: float) -> CommandRun | None:
        """Return when it ran, in seconds since `zero_s`."""
        if self._command is None or self._process is None:
            return None
        return CommandRun(
            command=self._command,
            started_s=self._started_at_s - zero_s,
            ended_s=self._ended_at_s - zero_s,
            exit_status=self._process.returncode or 0,
        )


@asynccontextmanager
async def running(command: str | None) -> AsyncIterator[DuringCommand]:
    """Run the command while the block runs; terminate it at the end."""
    during = DuringCommand(command)
    task = asyncio.create_task(during.run())
    try:
        yield during
    finally:
        await during.stop()
        await task
