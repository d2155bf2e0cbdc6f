"""`seewhy up` as a user starts it: a process, observed through its output."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.waiting import wait_until

_STARTED = re.compile(r"(\w+) │ (?:re)?started \(process (\d+)\)")
_READY = re.compile(r"ready at (http://\S+)")


class Up:
    """A running `seewhy up`; `printed` is its output so far."""

    def __init__(self, data: Path, *, port: int = 0, model: str | None = None) -> None:
        self.data = data
        descriptor, name = tempfile.mkstemp(prefix="printed-", dir=data.resolve().parent)
        self._output = Path(name)
        arguments = ["up", "--data", str(data), "--port", str(port)]
        if model is not None:
            arguments += ["--model", model]
        with os.fdopen(descriptor, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "seewhy.cli", *arguments],
                stdout=output,
                stderr=output,
                env={**os.environ, "COLUMNS": "200"},
            )

    @property
    def printed(self) -> str:
        return self._output.read_text("utf-8")

    @property
    def pids(self) -> dict[str, int]:
        """The latest process id of each child."""
        return {name: int(pid) for name, pid in _STARTED.findall(self.printed)}

    @property
    def url(self) -> str:
        """The service's URL; waits until the service is ready."""
        self.wait_for(_READY.pattern)
        found = _READY.search(self.printed)
        assert found is not None
        return found[1]

    def wait_for(self, pattern: str, *, limit_s: float = 240.0) -> None:
        """Return when `pattern` was printed; fail when the process exits before."""

        def printed() -> bool:
            if re.search(pattern, self.printed):
                return True
            assert self.process.poll() is None, self.printed
            return False

        wait_until(printed, what=f"seewhy up to print {pattern}", limit_s=limit_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit status; fail unless it exits within 10 s."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


@contextmanager
def running_up(data: Path, *, port: int = 0, model: str | None = None) -> Iterator[Up]:
    """Run `seewhy up` until the block ends."""
    up = Up(data, port=port, model=model)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()
