"""The device: one explainer, used by one thread at a time; a bad picture fails alone."""

import logging
import threading
import time
from collections.abc import Sequence

from seewhy.errors import ExplainerFailed, OutOfMemory, SeewhyError
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.targets import TargetOrIndex
from seewhy_worker.explain.types import Explainer, ImageExplanation, PreparedImage
from seewhy_worker.pipeline.watchdog import Watchdog, passes_of

Targets = tuple[TargetOrIndex, ...]

STOP_CHECK_S = 0.1

_log = logging.getLogger(__name__)


class Device:
    """Guards an explainer and finds the guilty picture when a batch fails."""

    def __init__(self, explainer: Explainer, *, max_batch: int, watchdog: Watchdog) -> None:
        """Explain batches of up to `max_batch`, and of fewer once memory has run out.

        `watchdog` is told of every call and what it costs.
        """
        self.explainer = explainer
        self.max_batch = max_batch
        self._watchdog = watchdog
        self._lock = threading.Lock()

    def explain(
        self,
        pictures: Sequence[PreparedImage],
        targets: Sequence[Targets],
        recipes: Sequence[MethodOptions],
        *,
        unless: threading.Event,
    ) -> tuple[list[ImageExplanation | SeewhyError], float] | None:
        """Explain each picture, in order, and say how many ms of the device that took.

        A failure stands where the explanation would. On an exception the batch is halved until
        the guilty picture stands alone. Running out of memory also halves `max_batch` for good.
        None, and nothing done, when `unless` is set before the device is free.
        """
        while not self._lock.acquire(timeout=STOP_CHECK_S):
            if unless.is_set():
                return None
        try:
            if unless.is_set():
                return None
            started = time.perf_counter()
            outcomes = self._halving(pictures, targets, recipes)
            return outcomes, (time.perf_counter() - started) * 1000
        finally:
            self._lock.release()

    def _halving(
        self,
        pictures: Sequence[PreparedImage],
        targets: Sequence[Targets],
        recipes: Sequence[MethodOptions],
    ) -> list[ImageExplanation | SeewhyError]:
        if not pictures:
            return []
        try:
            with self._watchdog.watching(passes=passes_of(targets, recipes)):
                return _one_each(self.explainer.explain(pictures, targets, recipes), pictures)
        except (OutOfMemory, MemoryError) as error:
            failure: SeewhyError = OutOfMemory(f"out of memory with {len(pictures)} picture(s)")
            failure.__cause__ = error
            self.max_batch = max(1, min(self.max_batch, len(pictures) // 2))
            _log.warning("%s; batches of %d from now on", failure, self.max_batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must cost one picture only
            failure = error if isinstance(error, SeewhyError) else _failed(error)
            _log.warning("the explainer failed on %d picture(s)", len(pictures), exc_info=error)
        if len(pictures) == 1:
            return [failure]
        half = len(pictures) // 2
        return self._halving(pictures[:half], targets[:half], recipes[:half]) + self._halving(
            pictures[half:], targets[half:], recipes[half:]
        )


def _one_each(
    explained: Sequence[ImageExplanation], pictures: Sequence[PreparedImage]
) -> list[ImageExplanation | SeewhyError]:
    """Return them; a batch that lacks one does not say whose it is, and so has failed."""
    if len(explained) != len(pictures):
        raise ExplainerFailed("the explainer left a picture out")
    return list(explained)


def _failed(error: Exception) -> ExplainerFailed:
    failure = ExplainerFailed("the explainer failed on this picture")
    failure.__cause__ = error
    return failure
