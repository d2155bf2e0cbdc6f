"""Annotations of the recorded project, and what follows them in an API under test."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask.testing import FlaskClient

from label_studio_requests import WHOLE, finish_waiting, replay
from label_studio_rules import recording
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.label_studio.task_scores import AGREEMENT_VERSION
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import FakeLabelStudio
from servers.waiting import wait_until

CHOICE = {
    "from_name": "cls",
    "to_name": "image",
    "type": "choices",
    "value": {"choices": ["tumor"]},
}
PROJECT = "/label-studio/projects/4/agreements"
UPPER_LEFT, LOWER_RIGHT = (0, 0, 50, 50), (50, 50, 50, 50)
"""x, y, width and height in percent. All evidence of a finished job is in the upper left."""


def region(kind: str, **value: Any) -> dict[str, Any]:
    name = {"rectanglelabels": "box", "brushlabels": "brush"}[kind]
    label = {"box": "lesion", "brush": "mask"}[name]
    return {
        "from_name": name,
        "to_name": "image",
        "type": kind,
        "original_width": int(WHOLE.width),
        "original_height": int(WHOLE.height),
        "image_rotation": 0,
        "value": {**value, kind: [label]},
    }


def rectangle(percent: tuple[float, float, float, float], **value: Any) -> dict[str, Any]:
    x, y, width, height = percent
    box = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
    return region("rectanglelabels", **box, **value)


def annotate(
    client: FlaskClient,
    *results: dict[str, Any],
    annotation: int = 2,
    task: int = 4,
    second: int = 0,
    number: int = 16,
    project: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> None:
    """Send the recorded event of an annotation with these results.

    `project` has changes to the project, and `changes` are those to the annotation.
    """
    body = recording(number)["body"]
    changed = {
        **body["annotation"],
        "id": annotation,
        "result": list(results),
        "updated_at": f"2026-11-22T20:07:{second:02}.000000Z",
        **changes,
    }
    response = replay(
        client,
        number,
        annotation=changed,
        task={**body["task"], "id": task},
        project={**body["project"], **project},
    )
    assert response.get_json() == {"status": "ok"}, response.get_data(as_text=True)


def measure(settings: Settings) -> int:
    """Finish the job of the latest annotation, and deliver what follows; count the deliveries.

    A job that is like an earlier one has ended when it was submitted.
    """
    wait_for_empty_inbox(settings)
    finish_waiting(settings)
    return create_dispatcher(settings).dispatcher.deliver()


def wait_for_empty_inbox(settings: Settings) -> None:
    store = open_store(settings)
    wait_until(
        lambda: not list(store.list_keys("label-studio-events/")), what="all events are handled"
    )


def ranking(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(PROJECT + query).get_json()
    assert answer["is_complete"] is True
    listed: list[dict[str, Any]] = answer["agreements"]
    return listed


def scores(studio: FakeLabelStudio) -> dict[int, float]:
    """Return the agreements that Label Studio has; each task has one."""
    found = [one for one in studio.predictions if one["model_version"] == AGREEMENT_VERSION]
    by_task = {one["task"]: one["score"] for one in found}
    assert len(found) == len(by_task)
    return by_task
