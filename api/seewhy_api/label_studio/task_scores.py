"""The agreement of a task as the score of a prediction, by which Label Studio sorts tasks."""

import json
from http import HTTPStatus
from typing import Any

from seewhy_api.label_studio.client import LabelStudioClient, LabelStudioError, require_answer
from seewhy_api.label_studio.task_turns import TaskTurns
from seewhy_api.outgoing.deadline import Deadline

AGREEMENT_VERSION = "seewhy agreement"
"""The model version of these predictions. They have no regions."""

_GONE = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


class TaskScores:
    """Keeps one prediction for each task, with its lowest agreement. Thread-safe."""

    def __init__(self, client: LabelStudioClient, turns: TaskTurns) -> None:
        """Send requests with `client`, and write when it is the turn."""
        self._client = client
        self._turns = turns

    def write(
        self, task: int, score: float | None, *, deadline: Deadline, may_create: bool = True
    ) -> bool:
        """Make Label Studio's prediction the score; remove it for None.

        Returns False when Label Studio refuses it, because it has deleted the task. The caller has
        the turn of the task, so there are no two predictions; should there be, one is left. Without
        `may_create` only a prediction that exists is changed. Raises `LabelStudioError`.
        """
        found = self._find(task, deadline)
        kept = found[:1] if score is not None else []
        for prediction in found[len(kept) :]:
            self._send("DELETE", prediction["id"], deadline)
        if score is None:
            return True
        if kept:
            if kept[0].get("score") != score:
                self._send("PATCH", kept[0]["id"], deadline, body={"score": score})
            return True
        return not may_create or self._create(task, score, deadline)

    def _create(self, task: int, score: float, deadline: Deadline) -> bool:
        body = {"task": task, "model_version": AGREEMENT_VERSION, "score": score, "result": []}
        with self._turns.write(deadline):
            reply = self._client.request("POST", "predictions/", body=body, deadline=deadline)
        if reply.status in _GONE:
            return False
        require_answer(reply, {HTTPStatus.OK, HTTPStatus.CREATED})
        return True

    def _find(self, task: int, deadline: Deadline) -> list[dict[str, Any]]:
        reply = self._client.request("GET", f"predictions/?task={task}", deadline=deadline)
        require_answer(reply, {HTTPStatus.OK})
        try:
            return [
                {"id": int(one["id"]), "score": one.get("score")}
                for one in json.loads(reply.body)
                if (one["task"], one["model_version"]) == (task, AGREEMENT_VERSION)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise LabelStudioError("Label Studio did not list its predictions.") from error

    def _send(self, method: str, prediction: int, deadline: Deadline, *, body: Any = None) -> None:
        with self._turns.write(deadline):
            reply = self._client.request(
                method, f"predictions/{prediction}/", body=body, deadline=deadline
            )
        require_answer(reply, {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
