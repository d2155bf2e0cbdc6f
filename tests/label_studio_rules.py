"""What Label Studio 1.23.2 does with answers of a backend, and the recorded requests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

RECORDINGS = Path(__file__).parent / "label_studio_recordings"
TYPES = {
    "choices": "Choices",
    "rectanglelabels": "RectangleLabels",
    "polygonlabels": "PolygonLabels",
    "brushlabels": "BrushLabels",
    "bitmasklabels": "BitmaskLabels",
    "ellipselabels": "EllipseLabels",
    "keypointlabels": "KeyPointLabels",
}


def recording(number: int) -> dict[str, Any]:
    """Return a recorded request: its method, path, headers and body."""
    (path,) = RECORDINGS.glob(f"{number:03}-*.json")
    request: dict[str, Any] = json.loads(path.read_text())
    return request


def recorded_numbers() -> list[int]:
    """Return the numbers of all recorded requests. Requests that were repeated are there once."""
    return sorted(int(path.name[:3]) for path in RECORDINGS.iterdir())


def stored_predictions(answer: Any, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what Label Studio stores after a batch. Raises where it would store nothing."""
    assert isinstance(answer, dict), "the answer must be a dict"
    results = answer["results"]
    assert isinstance(results, list)
    assert len(results) == len(tasks), "otherwise it asks task by task"
    return [
        {
            "task": task["id"],
            "result": prediction["result"],
            "score": prediction.get("score"),
            "model_version": prediction["model_version"],
        }
        for task, entry in zip(tasks, results, strict=True)
        for prediction in ([entry] if isinstance(entry, dict) else entry)
    ]


def check_results(results: Sequence[Mapping[str, Any]], label_config: str) -> None:
    """Assert that the editor can show results: Label Studio stores wrong ones silently."""
    view = ElementTree.fromstring(label_config)  # noqa: S314
    controls = {tag.get("name"): tag for tag in view.iter() if tag.get("toName")}
    assert len({each["id"] for each in results}) == len(results)
    for result in results:
        control = controls[result["from_name"]]
        assert control.tag == TYPES[result["type"]]
        assert control.get("toName") == result["to_name"]
        labels = {child.get("alias") or child.get("value") for child in control}
        assert set(result["value"][result["type"]]) <= labels
        assert 0 <= result["score"] <= 1
        if result["type"] == "choices":
            continue
        assert result["original_width"] > 0
        assert result["original_height"] > 0
        assert result["image_rotation"] == 0
        for name in {"x", "y", "width", "height"} & set(result["value"]):
            assert 0 <= result["value"][name] <= 100
