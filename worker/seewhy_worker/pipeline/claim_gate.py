"""The claim gate: threads claim batches of one device one after another, each when it is time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from seewhy.ledger.types import Claim
from seewhy.pacing import PacedBatch, Pacing

CHECK_S = 0.1
"""How long a thread waits at most before it looks again."""


@dataclass(frozen=True, slots=True)
class GatedBatch:
    """The jobs of one claim, on their way to the device."""

    claims: Sequence[Claim]
    _batch: PacedBatch
    _gate: "ClaimGate"

    def prepared(self, claims: Sequence[Claim]) -> None:
        """Note that these of its jobs are ready for the device."""
        self._gate.change(lambda pacing, now_s: pacing.prepare(self._batch, now_s, _cost(claims)))

    def ended(self, device_s: float | None = None) -> None:
        """Note that it is off the device. `device_s` is what it took, if that says anything."""
        self._gate.change(lambda pacing, now_s: pacing.end(self._batch, now_s, device_s))


class ClaimGate:
    """Lets one thread at a time claim, when `Pacing` says so. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Open for the first claim. `clock` returns seconds."""
        self._clock = clock
        self._pacing = Pacing()
        self._claiming = False
        self._changed = threading.Condition()

    @contextmanager
    def next_batch(
        self, claim: Callable[[], Sequence[Claim]], *, stopping: threading.Event
    ) -> Iterator[GatedBatch | None]:
        """Wait until it is time, claim, and follow the batch for the block.

        Yields None when there was no job, and within `CHECK_S` when `stopping` is set. Raises what
        `claim` raises.
        """
        batch = self._claim(claim) if self._enter(stopping) else None
        try:
            yield batch
        finally:
            if batch:
                batch.ended()

    def change(self, change: Callable[[Pacing, float], object]) -> None:
        """Change the pacing at the present time; others may claim then."""
        with self._changed:
            change(self._pacing, self._clock())
            self._changed.notify_all()

    def _enter(self, stopping: threading.Event) -> bool:
        """Wait until this thread may claim; False when the worker stops."""
        with self._changed:
            while not stopping.is_set():
                wait_s = self._wait_s()
                if wait_s <= 0:
                    self._claiming = True
                    return True
                self._changed.wait(min(wait_s, CHECK_S))
            return False

    def _claim(self, claim: Callable[[], Sequence[Claim]]) -> GatedBatch | None:
        claims: Sequence[Claim] = ()
        batch = None
        try:
            claims = claim()
        finally:
            with self._changed:
                self._claiming = False
                if claims:
                    paced = self._pacing.claim(self._clock(), _cost(claims))
                    batch = GatedBatch(claims, paced, self)
                self._changed.notify_all()
        return batch

    def _wait_s(self) -> float:
        return CHECK_S if self._claiming else self._pacing.wait_s(self._clock())


def _cost(claims: Sequence[Claim]) -> float:
    return sum(claim.cost for claim in claims)
