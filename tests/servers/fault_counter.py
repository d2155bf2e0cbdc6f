"""A counter that survives the processes that increment it."""

import threading
import time
from pathlib import Path


class FaultCounter:
    """Counts in files how often a fault has occurred, and holds processes until released."""

    def __init__(self, folder: Path, name: str) -> None:
        """Create `folder/name`, with one file per occurrence."""
        self._release_file = folder / f"{name}.released"
        self._occurrences = folder / name
        self._occurrences.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    @property
    def is_released(self) -> bool:
        """Whether held processes may continue."""
        return self._release_file.exists()

    def release(self) -> None:
        """Let held processes continue."""
        self._release_file.touch()

    def wait(self) -> None:
        """Block until `release` is called, in this process or another."""
        while not self.is_released:
            time.sleep(0.02)

    def increment(self) -> int:
        """Count one occurrence; return the number of earlier ones."""
        with self._lock:
            before = self.count()
            (self._occurrences / str(before)).touch(exist_ok=False)
            return before

    def count(self) -> int:
        """Return the number of occurrences."""
        return len(list(self._occurrences.iterdir()))
