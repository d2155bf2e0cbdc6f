"""A stub worker with a fault: `python faulty_worker.py FAULT COUNTERS BATCH_MS`.

Each occurrence of the fault increments the counter COUNTERS/FAULT, which survives the process and
which tests wait for. The faults `hold` (batch on the device) and `hold-before-report` (results
stored, not reported) hold each batch until the test releases the counter. With `endless`, long
jobs never end by themselves. Images of
`servers.poison` take effect with every fault, including `none`. A batch takes BATCH_MS.
"""

import ctypes
import hashlib
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
from seewhy.imaging.process_tuning import tune_process
from seewhy.ledger.types import Completion, FinishReceipt
from seewhy.logs.configuration import configure_logging
from seewhy.schemas.passes import forward_passes
from seewhy.settings import load
from seewhy.storage.keys import image_id_of
from seewhy.storage.port import ObjectStore
from seewhy_worker.app import create_worker
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.pipeline.batch_runner import BatchRunner
from seewhy_worker.stub import PASSES_PER_CHUNK, StubExplainer, StubModels
from servers.fault_counter import FaultCounter
from servers.poison import Poison, poison_image, poison_of

MEMORY_ERRORS = 6
"""How many tasks `exhaust-task-memory` fails."""
MAX_IMAGES = 4
"""The largest batch that fits on a `small-device`."""
DEATHS = 2
"""How often `die-before-report` kills its worker."""
UNLUCKY_DEATHS = ("device", "get", "get", "put", "put", "device")
"""The step at which each attempt at the `Poison.UNLUCKY` image is killed."""


class Killer:
    """Kills the process while it holds the `Poison.UNLUCKY` image.

    The ledger cannot tell it from a SIGKILL of another process at the same moment.
    """

    def __init__(self, counter: FaultCounter) -> None:
        """Count attempts with `counter`."""
        self._counter = counter
        self._image_id = hashlib.sha256(poison_image(Poison.UNLUCKY)).hexdigest()
        self._death = ""

    def watch(self, store: ObjectStore) -> None:
        """Kill when the image is fetched, or the result of a job that runs alone is stored."""
        get, put = store.get, store.put

        def get_or_die(key: str) -> bytes:
            if image_id_of(key) == self._image_id:
                self._death = dict(enumerate(UNLUCKY_DEATHS)).get(self._counter.increment(), "")
                self.reach("get")
            return get(key)

        def put_or_die(key: str, body: bytes, **options: Any) -> Any:
            self.reach("put")
            return put(key, body, **options)

        store.get, store.put = get_or_die, put_or_die  # type: ignore[method-assign]

    def reach(self, step: str) -> None:
        """Kill the process if this attempt ends at this step."""
        if self._death == step:
            os.kill(os.getpid(), signal.SIGKILL)


class FaultyExplainer(StubExplainer):
    """The stub explainer with a fault and poison images."""

    def __init__(
        self, fault: str, counter: FaultCounter, killer: Killer, *, batch_s: float
    ) -> None:
        """Count occurrences of `fault` with `counter`."""
        super().__init__(batch_s=batch_s)
        self._fault = fault
        self._counter = counter
        self._killer = killer

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        """Explain a batch like `StubExplainer.explain`, subject to the fault."""
        if self._fault == "hang" and not self._counter.increment():
            threading.Event().wait()
        if self._fault == "hang-holding-gil" and not self._counter.increment():
            ctypes.PyDLL(None).pause()
        if self._fault == "hold":
            self._counter.increment()
            self._counter.wait()
        if self._fault == "endless" and any(map(_is_long, tasks)):
            while True:
                self._counter.increment()
                self.run_chunk(1)
                checkpoint()
        if self._fault == "small-device" and len(tasks) > MAX_IMAGES:
            self._counter.increment()
            raise OutOfMemory(f"no memory for {len(tasks)} images")
        poisons = [poison_of(task.image.pixels) for task in tasks]
        if Poison.UNLUCKY in poisons:
            self._killer.reach("device")
        if Poison.KILL in poisons:
            os.kill(os.getpid(), signal.SIGKILL)
        if Poison.RAISE in poisons:
            raise ValueError("poison image")
        explained = super().explain(tasks, checkpoint=checkpoint)
        paired = zip(explained, poisons, strict=True)
        return [_with_nan(e, poison) for e, poison in paired if poison is not Poison.SHORT]


def _is_long(task: ExplanationTask) -> bool:
    return forward_passes(task.options, targets=len(task.targets)) > PASSES_PER_CHUNK


def _with_nan(explained: ImageExplanation, poison: Poison | None) -> ImageExplanation:
    if poison is not Poison.NAN:
        return explained
    maps = np.full_like(explained.maps, np.nan)
    targets = tuple(
        target.model_copy(update={"verdict": map_verdict(map_, gradient_peak=float("nan"))})
        for target, map_ in zip(explained.targets, maps, strict=True)
    )
    return replace(explained, maps=maps, targets=targets)


def exhaust_task_memory(runner: BatchRunner, counter: FaultCounter) -> None:
    """Raise `MemoryError` in the first tasks, outside the batch runner's own error handling."""
    original = runner.run_lane

    def run_lane_without_memory(lane: str) -> int:
        if counter.increment() < MEMORY_ERRORS:
            raise MemoryError
        return original(lane)

    runner.run_lane = run_lane_without_memory  # type: ignore[method-assign]


def delay_report(runner: BatchRunner, counter: FaultCounter, *, deadly: bool) -> None:
    """Stop between storing results and reporting them: wait, or die `DEATHS` times."""
    ledger = runner._deps.reporter._ledger
    complete = ledger.complete

    def complete_late(completions: Sequence[Completion]) -> FinishReceipt:
        before = counter.increment()
        if deadly and before < DEATHS:
            os.kill(os.getpid(), signal.SIGKILL)
        if not deadly:
            counter.wait()
        return complete(completions)

    ledger.complete = complete_late  # type: ignore[method-assign]


def patch_decoder() -> None:
    """Make the decoder read address 0 for `Poison.SEGFAULT` images."""
    decode = codecs.decode

    def decode_or_die(body: bytes, **limits: Any) -> NDArray[np.uint8]:
        image = decode(body, **limits)
        if poison_of(image) is Poison.SEGFAULT:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.string_at(0)
        return image

    codecs.decode = decode_or_die


def main(fault: str, folder: str, batch_ms: str) -> None:
    """Run the worker until it is stopped."""
    tune_process()
    counter = FaultCounter(Path(folder), fault)
    settings = load()
    configure_logging(settings.log_format)
    killer = Killer(FaultCounter(Path(folder), "unlucky"))
    explainer = FaultyExplainer(fault, counter, killer, batch_s=float(batch_ms) / 1000)
    worker = create_worker(settings, source=StubModels(lambda _: explainer))
    killer.watch(worker.runner._deps.reporter._store)
    patch_decoder()
    if fault == "exhaust-task-memory":
        exhaust_task_memory(worker.runner, counter)
    if fault in {"die-before-report", "hold-before-report"}:
        delay_report(worker.runner, counter, deadly=fault == "die-before-report")
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
