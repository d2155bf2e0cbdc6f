"""A whole worker with the stub explainer and one fault: `python faulty_worker.py FAULT MARKS`.

Each time the fault strikes, a file is made in the folder MARKS, so that it strikes as often as it
is meant to whatever process it ends, and a test can wait for it. A fault named `held` holds every
batch on the device until there is a file `open` beside the folder.
"""

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from seewhy.errors import OutOfMemory
from seewhy.explanations import Recipe
from seewhy.settings import load
from seewhy.targets import AnyTarget
from seewhy_worker.drain import Drain
from seewhy_worker.explained import Explained, Prepared
from seewhy_worker.stub import StubExplainer
from seewhy_worker.worker import create_worker

MEMORY_ERRORS = 6
ROOM_FOR = 4


class Marks:
    """Counts in files how often something has happened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether what is held may go on."""
        return (self._folder.parent / "open").exists()

    def leave(self) -> int:
        """Count once more; return how often before."""
        with self._lock:
            before = len(list(self._folder.iterdir()))
            (self._folder / str(before)).touch(exist_ok=False)
            return before


class Faulty(StubExplainer):
    """Explains brightness, but for its fault."""

    def __init__(self, fault: str, marks: Marks) -> None:
        super().__init__()
        self._fault = fault
        self._marks = marks

    def explain(
        self,
        prepared: Sequence[Prepared],
        targets: Sequence[tuple[AnyTarget, ...]],
        recipes: Sequence[Recipe] | None = None,
    ) -> list[Explained]:
        if self._fault == "hang" and not self._marks.leave():
            threading.Event().wait()
        if self._fault == "hang-holding-the-interpreter" and not self._marks.leave():
            ctypes.PyDLL(None).pause()
        if self._fault == "held":
            self._marks.leave()
            while not self._marks.open:
                time.sleep(0.02)
        if self._fault == "small-device" and len(prepared) > ROOM_FOR:
            self._marks.leave()
            raise OutOfMemory(f"no room for {len(prepared)} pictures")
        return super().explain(prepared, targets, recipes)


def starve(drain: Drain, marks: Marks) -> None:
    """Let the first tasks themselves run out of memory, outside any step that guards itself."""
    drained = drain.drain

    def drain_starved(lane: str) -> int:
        if marks.leave() < MEMORY_ERRORS:
            raise MemoryError
        return drained(lane)

    drain.drain = drain_starved  # type: ignore[method-assign]


def main(fault: str, folder: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    marks = Marks(Path(folder))
    settings = load()
    explainers = dict.fromkeys(settings.resident_models, Faulty(fault, marks))
    worker = create_worker(settings, explainers=explainers)
    if fault == "starve":
        starve(worker.drain, marks)
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
