"""The device: runs one explainer in one thread at a time and isolates failing images."""

import logging
import time
from collections.abc import Sequence

from seewhy.errors import ExplainerFailed, OutOfMemory, SeewhyError
from seewhy_worker.checkpoints.checkpoint import Checkpoint, Interrupted
from seewhy_worker.explain.types import Explainer, ExplanationTask, ImageExplanation
from seewhy_worker.pipeline.claim_gate import ClaimGate
from seewhy_worker.pipeline.turns import Turns
from seewhy_worker.pipeline.watchdog import Watchdog

_log = logging.getLogger(__name__)


class Device:
    """Runs calls of an explainer one at a time, in turns: a call gives way at its checkpoints.

    If a batch fails, only its failing images fail.
    """

    def __init__(self, explainer: Explainer, *, max_batch: int, watchdog: Watchdog) -> None:
        """Explain batches of up to `max_batch`, and of what the explainer has measured.

        Running out of memory lowers the limit.
        `watchdog` supervises the device between any two checkpoints.
        """
        self.explainer = explainer
        self.max_batch = min(max_batch, explainer.max_batch)
        self._watchdog = watchdog
        self._turns = Turns()
        self.gates = {long: ClaimGate() for long in (False, True)}
        """When long jobs, and others, are claimed for this device."""

    def explain(
        self,
        tasks: Sequence[ExplanationTask],
        *,
        checkpoint: Checkpoint,
        long: bool = False,
        tenants: int = 1,
    ) -> tuple[list[ImageExplanation | SeewhyError], float]:
        """Explain each task, in order; also return the device time in ms.

        A failed task has its error in place of an explanation. If a batch fails, its halves run
        again, down to single images. If a batch runs out of memory and its halves do not,
        `max_batch` is halved permanently.
        Long jobs and others share the time of the device by the number of tenants that wait, so
        `tenants` is how many the lane of the tasks has.
        `checkpoint` is called while the tasks wait for the device and between their passes; when
        it raises `Interrupted`, so does this method.
        """
        with self._turns.take(checkpoint, group=long, weight=tenants) as hand_over:
            started_s = time.perf_counter()
            elsewhere_s = 0.0

            def pause() -> None:
                nonlocal elsewhere_s
                paused_s = time.perf_counter()
                hand_over()
                checkpoint()
                elsewhere_s += time.perf_counter() - paused_s

            outcomes = self._explain(tasks, pause)
            return outcomes, (time.perf_counter() - started_s - elsewhere_s) * 1000

    def _explain(
        self, tasks: Sequence[ExplanationTask], pause: Checkpoint
    ) -> list[ImageExplanation | SeewhyError]:
        if not tasks:
            return []
        try:
            with self._watchdog.watching(pause) as checkpoint:
                return _one_per_task(self.explainer.explain(tasks, checkpoint=checkpoint), tasks)
        except Interrupted:
            raise
        except (OutOfMemory, MemoryError) as error:
            failure: SeewhyError = OutOfMemory(
                f"the device ran out of memory with {len(tasks)} image(s)"
            )
            failure.__cause__ = error
            _log.warning("%s", failure)
        except Exception as error:  # noqa: BLE001 - any error may fail one image only
            failure = error if isinstance(error, SeewhyError) else _explainer_failed(error)
            _log.warning("The explainer failed on %d image(s)", len(tasks), exc_info=error)
        if len(tasks) == 1:
            return [failure]
        half = len(tasks) // 2
        outcomes = self._explain(tasks[:half], pause) + self._explain(tasks[half:], pause)
        if isinstance(failure, OutOfMemory) and not any(
            isinstance(outcome, OutOfMemory) for outcome in outcomes
        ):  # otherwise one image may be the cause, and would slow down all later ones
            self.max_batch = min(self.max_batch, half)
            _log.warning("Its halves fit; reducing the batch size to %d", self.max_batch)
        return outcomes


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
