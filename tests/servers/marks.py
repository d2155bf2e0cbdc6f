"""Counts that outlive the process that makes them."""

import threading
import time
from pathlib import Path


class Marks:
    """Counts in files how often something has happened."""

    def __init__(self, folder: Path, name: str) -> None:
        """Count in the folder of this name, which is made."""
        self._gate = folder / f"{name}.open"
        self._mine = folder / name
        self._mine.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether what is held may go on."""
        return self._gate.exists()

    def let_go(self) -> None:
        """Let what is held go on."""
        self._gate.touch()

    def wait(self) -> None:
        """Return when what is held may go on."""
        while not self.open:
            time.sleep(0.02)

    def leave(self) -> int:
        """Count once more; return how often before."""
        with self._lock:
            before = self.count()
            (self._mine / str(before)).touch(exist_ok=False)
            return before

    def count(self) -> int:
        """How often so far."""
        return len(list(self._mine.iterdir()))
