"""The agreement of a task as the score of a prediction, by which Label Studio sorts tasks."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from seewhy_api.label_studio.client import LabelStudioClient, LabelStudioError, require_answer
from seewhy_api.label_studio.task_predictions import StoredPrediction, list_predictions
from seewhy_api.label_studio.task_turns import TaskTurns
from seewhy_api.outgoing.deadline import Deadline

AGREEMENT_VERSION = "seewhy agreement"
"""The model version of these predictions. They have no regions."""
MAX_ROUNDS = 5
"""Of changes until Label Studio has the score. More than two need other writers meanwhile."""

_GONE = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
_TOLERANCE = 5e-5
"""Scores have four decimal places."""


class TaskScores:
    """Keeps one prediction for each task, with its lowest agreement. Thread-safe.

    The dispatcher and the processes of the API write at the same time. Each reads the score again
    after it has written one, until Label Studio has what was read. So the writer whose request
    arrives last sees what was stored meanwhile.
    """

    def __init__(self, client: LabelStudioClient, turns: TaskTurns) -> None:
        """Send requests with `client`, and write when it is the turn."""
        self._client = client
        self._turns = turns

    def write(
        self, task: int, read_score: Callable[[], float | None], *, deadline: Deadline
    ) -> bool:
        """Make Label Studio's prediction the score that is read; remove it for None.

        What changes the score must have been stored before. Returns False when Label Studio refuses
        it, because it has deleted the task. Raises `LabelStudioError`, and what `read_score`
        raises.
        """
        for _ in range(MAX_ROUNDS):
            score = read_score()
            found = list_predictions(
                self._client, task, version=AGREEMENT_VERSION, deadline=deadline
            )
            if _has_score(found, score):
                return True
            if not self._change(task, found, score, deadline):
                return False
        raise LabelStudioError(
            "The agreement of the task changes too often.", status=HTTPStatus.CONFLICT
        )

    def _change(
        self,
        task: int,
        found: Sequence[StoredPrediction],
        score: float | None,
        deadline: Deadline,
    ) -> bool:
        """Leave one prediction, the oldest, so that two writers leave the same one."""
        kept = found[:1] if score is not None else []
        for prediction in found[len(kept) :]:
            self._send("DELETE", prediction.id, deadline)
        if score is None:
            return True
        if not kept:
            return self._create(task, score, deadline)
        if not _is_equal(kept[0].score, score):
            self._send("PATCH", kept[0].id, deadline, body={"score": score})
        return True

    def _create(self, task: int, score: float, deadline: Deadline) -> bool:
        body = {"task": task, "model_version": AGREEMENT_VERSION, "score": score, "result": []}
        with self._turns.write(deadline):
            reply = self._client.request("POST", "predictions/", body=body, deadline=deadline)
        if reply.status in _GONE:
            return False
        require_answer(reply, {HTTPStatus.OK, HTTPStatus.CREATED})
        return True

    def _send(self, method: str, prediction: int, deadline: Deadline, *, body: Any = None) -> None:
        """Change a prediction. One that is gone (404) is created in the next round."""
        with self._turns.write(deadline):
            reply = self._client.request(
                method, f"predictions/{prediction}/", body=body, deadline=deadline
            )
        require_answer(reply, {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})


def _has_score(found: Sequence[StoredPrediction], score: float | None) -> bool:
    if score is None:
        return not found
    return len(found) == 1 and _is_equal(found[0].score, score)


def _is_equal(stored: object, score: float) -> bool:
    return isinstance(stored, int | float) and abs(stored - score) < _TOLERANCE
