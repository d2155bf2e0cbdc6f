"""The predictions that Label Studio has of a task."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from seewhy_api.label_studio.client import LabelStudioClient, LabelStudioError, require_answer
from seewhy_api.outgoing.deadline import Deadline


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """A prediction of Label Studio."""

    id: int
    score: Any
    """As Label Studio returned it; a number or None."""


def list_predictions(
    client: LabelStudioClient, task: int, *, version: str, deadline: Deadline
) -> list[StoredPrediction]:
    """Return the predictions of a task of one model version, oldest first.

    Raises `LabelStudioError`.
    """
    reply = client.request("GET", f"predictions/?task={task}", deadline=deadline)
    require_answer(reply, {HTTPStatus.OK})
    try:
        found = [
            StoredPrediction(int(one["id"]), one.get("score"))
            for one in json.loads(reply.body)
            if (one["task"], one["model_version"]) == (task, version)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabelStudioError("Label Studio did not list its predictions.") from error
    return sorted(found, key=lambda one: one.id)
