"""A whole worker with the stub explainer and a fault: `python faulty_worker.py FAULT MARKS MS`.

Each time the fault strikes, a file is made in the folder MARKS/FAULT, so that it strikes as often
as it is meant to whatever process it ends, and a test can wait for it. The faults `held` (on the
device) and `held-before-telling` (with its results stored) hold each batch until the test lets go.
With any fault, and with `none`, pictures of `servers.poison` do what they say. MS is what a batch
takes.
"""

import ctypes
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory
from seewhy.imaging import codecs
from seewhy.imaging.maps import map_verdict
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.targets import TargetOrIndex
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.explain.types import ImageExplanation, PreparedImage
from seewhy_worker.pipeline.batch_runner import BatchRunner
from seewhy_worker.stub import StubExplainer
from servers.marks import Marks
from servers.poison import Poison, poison_of

MEMORY_ERRORS = 6
ROOM_FOR = 4
DEATHS = 2


class Faulty(StubExplainer):
    """Explains brightness, but for its fault and for poison."""

    def __init__(self, fault: str, marks: Marks, *, batch_s: float) -> None:
        super().__init__(batch_s=batch_s)
        self._fault = fault
        self._marks = marks

    def explain(
        self,
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[TargetOrIndex, ...]],
        recipes: Sequence[MethodOptions] | None = None,
    ) -> list[ImageExplanation]:
        if self._fault == "hang" and not self._marks.leave():
            threading.Event().wait()
        if self._fault == "hang-holding-the-interpreter" and not self._marks.leave():
            ctypes.PyDLL(None).pause()
        if self._fault == "held":
            self._marks.leave()
            self._marks.wait()
        if self._fault == "small-device" and len(prepared) > ROOM_FOR:
            self._marks.leave()
            raise OutOfMemory(f"no room for {len(prepared)} pictures")
        poisons = [poison_of(picture.pixels) for picture in prepared]
        if Poison.KILL in poisons:
            os.kill(os.getpid(), signal.SIGKILL)
        if Poison.RAISE in poisons:
            raise ValueError("a picture this network cannot stand")
        explained = super().explain(prepared, targets, recipes)
        made = zip(explained, poisons, strict=True)
        return [_spoilt(e, poison) for e, poison in made if poison is not Poison.SHORT]


def _spoilt(explained: ImageExplanation, poison: Poison | None) -> ImageExplanation:
    if poison is not Poison.NAN:
        return explained
    nothing = np.full_like(explained.maps, np.nan)
    targets = tuple(
        target.model_copy(update={"verdict": map_verdict(map_, gradient_peak=float("nan"))})
        for target, map_ in zip(explained.targets, nothing, strict=True)
    )
    return replace(explained, maps=nothing, targets=targets)


def starve(drain: BatchRunner, marks: Marks) -> None:
    """Let the first tasks themselves run out of memory, outside any step that guards itself."""
    drained = drain.drain

    def drain_starved(lane: str) -> int:
        if marks.leave() < MEMORY_ERRORS:
            raise MemoryError
        return drained(lane)

    drain.drain = drain_starved  # type: ignore[method-assign]


def delay_telling(drain: BatchRunner, marks: Marks, *, deadly: bool) -> None:
    """Stop with the results in the store, and the ledger not told: wait, or die `DEATHS` times."""
    ledger: Any = drain._at.ledger
    complete = ledger.complete

    def complete_late(completions: Sequence[Any]) -> list[bool]:
        before = marks.leave()
        if deadly and before < DEATHS:
            os.kill(os.getpid(), signal.SIGKILL)
        if not deadly:
            marks.wait()
        return list(complete(completions))

    ledger.complete = complete_late


def break_the_decoder() -> None:
    """Let the decoder read where there is nothing, in the picture that asks for it."""
    decode = codecs.decode

    def decode_or_die(body: bytes, **limits: Any) -> NDArray[np.uint8]:
        photo = decode(body, **limits)
        if poison_of(photo) is Poison.SEGFAULT:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.string_at(0)
        return photo

    codecs.decode = decode_or_die


def main(fault: str, folder: str, batch_ms: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    marks = Marks(Path(folder), fault)
    settings = load()
    explainer = Faulty(fault, marks, batch_s=float(batch_ms) / 1000)
    worker = create_worker(settings, explainers=dict.fromkeys(settings.resident_models, explainer))
    break_the_decoder()
    if fault == "starve":
        starve(worker.drain, marks)
    if fault in {"die-before-telling", "held-before-telling"}:
        delay_telling(worker.drain, marks, deadly=fault == "die-before-telling")
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
