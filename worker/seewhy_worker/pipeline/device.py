"""The device: runs one explainer in one thread at a time and isolates failing images."""

import logging
import threading
import time
from collections.abc import Sequence

from seewhy.errors import ExplainerFailed, OutOfMemory, SeewhyError
from seewhy_worker.explain.types import Explainer, ExplanationTask, ImageExplanation
from seewhy_worker.pipeline.watchdog import Watchdog, passes_of

STOP_CHECK_S = 0.1

_log = logging.getLogger(__name__)


class Device:
    """Serializes the calls of an explainer. If a batch fails, only the failing images fail."""

    def __init__(self, explainer: Explainer, *, max_batch: int, watchdog: Watchdog) -> None:
        """Explain batches of up to `max_batch`; running out of memory lowers the limit.

        `watchdog` supervises every call.
        """
        self.explainer = explainer
        self.max_batch = max_batch
        self._watchdog = watchdog
        self._lock = threading.Lock()

    def explain(
        self, tasks: Sequence[ExplanationTask], *, unless: threading.Event
    ) -> tuple[list[ImageExplanation | SeewhyError], float] | None:
        """Explain each task, in order; also return the device time in ms.

        A failed task has its error in place of an explanation. If a batch fails, its halves run
        again, down to single images. Running out of memory also halves `max_batch` permanently.
        Returns None, without running anything, when `unless` is set before the device is free.
        """
        while not self._lock.acquire(timeout=STOP_CHECK_S):
            if unless.is_set():
                return None
        try:
            if unless.is_set():
                return None
            started = time.perf_counter()
            outcomes = self._explain(tasks)
            return outcomes, (time.perf_counter() - started) * 1000
        finally:
            self._lock.release()

    def _explain(self, tasks: Sequence[ExplanationTask]) -> list[ImageExplanation | SeewhyError]:
        if not tasks:
            return []
        try:
            with self._watchdog.watching(passes=passes_of(tasks)):
                return _one_per_task(self.explainer.explain(tasks), tasks)
        except (OutOfMemory, MemoryError) as error:
            failure: SeewhyError = OutOfMemory(
                f"the device ran out of memory with {len(tasks)} image(s)"
            )
            failure.__cause__ = error
            self.max_batch = max(1, min(self.max_batch, len(tasks) // 2))
            _log.warning("%s; reducing the batch size to %d", failure, self.max_batch)
        except Exception as error:  # noqa: BLE001 - any error may fail one image only
            failure = error if isinstance(error, SeewhyError) else _explainer_failed(error)
            _log.warning("The explainer failed on %d image(s)", len(tasks), exc_info=error)
        if len(tasks) == 1:
            return [failure]
        half = len(tasks) // 2
        return self._explain(tasks[:half]) + self._explain(tasks[half:])


def _one_per_task(
    explanations: Sequence[ImageExplanation], tasks: Sequence[ExplanationTask]
) -> list[ImageExplanation | SeewhyError]:
    """Reject an incomplete batch: nothing says which image has no explanation."""
    if len(explanations) != len(tasks):
        raise ExplainerFailed("the explainer returned no explanation for an image")
    return list(explanations)


def _explainer_failed(error: Exception) -> ExplainerFailed:
    failure = ExplainerFailed("the explainer failed on this image")
    failure.__cause__ = error
    return failure
