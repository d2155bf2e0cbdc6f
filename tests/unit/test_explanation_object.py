"""Explanations as values: JSON, tables and notebooks, without a service."""

import copy
import math
import pickle
import sys
from typing import Any

import pytest

from optionals import present
from seewhy.client import Explanation, ImageNotExplained, ImageResult, NotConnected, to_pandas
from seewhy.client.connection import Connection
from seewhy.client.responses import Problem

TRUST = {"insertion": 0.5, "deletion": None, "increase": True}


def target(index: int, **fields: Any) -> dict[str, Any]:
    score = {"index": index, "label": f"<b>{index}</b>", "logit": None, "probability": 0.25}
    return {"score": score, "verdict": "ok", "minimum": -1.0, "maximum": 2.0, **fields}


def explanation(**changes: Any) -> Explanation:
    targets = [target(7, trust=TRUST), target(8)]
    result = {
        "top": [], "targets": targets, "model_digest": "d", "method": "gradcam", "layer": "l",
        "linear": True, "map_height": 7, "map_width": 7, "image_width_px": 4, "image_height_px": 3,
        "covers": {"x": 0, "y": 0, "width": 4, "height": 3},
        "other_maps": [
            {
                "method": "layercam", "layer": "k", "linear": False, "targets": targets[1:],
                "map_height": 7, "map_width": 7,
            }
        ],
    }  # fmt: skip
    fields = {
        "id": "1", "status": "succeeded", "model": "<vgg16>", "method": "gradcam",
        "priority": "batch", "submitted_at": "2026-11-22T21:00:00.125Z", "result": result,
        "links": {"self": "/1"},
    }  # fmt: skip
    return Explanation.model_validate(fields | changes)


FAILED = explanation(
    status="failed", result=None, error={"code": "broken_image", "detail": "it is <cut>"}
)


def test_an_explanation_is_json_and_reads_itself_again() -> None:
    fields = explanation().to_dict()
    assert fields["result"]["targets"][0]["score"]["logit"] is None
    again = Explanation.model_validate(fields)
    assert math.isnan(present(again.result).targets[0].score.logit)
    assert again.to_dict() == fields


def test_copies_are_equal_and_have_no_client() -> None:
    class Connected:
        closed = False

        def overlay(self, *_: Any, **__: Any) -> bytes:
            return b"jpeg"

    connected: Any = Connected()
    original = FAILED.model_copy().connected_to(Connection(connected))
    assert original.overlay() == b"jpeg"
    pickled = pickle.loads(pickle.dumps(original))  # noqa: S301
    for one in (copy.deepcopy(original), pickled):
        assert one == original
        with pytest.raises(NotConnected, match="not returned by a Client"):
            one.overlay()


def test_a_table_has_a_row_for_each_map_and_each_failure() -> None:
    image = ImageResult(image=b"png", error=Problem(code="unsupported_image", detail="no"))
    table = to_pandas([explanation(), FAILED, image])
    assert list(table["method"].fillna("")) == ["gradcam", "gradcam", "layercam", "gradcam", ""]
    assert list(table["layer"][:3]) == ["l", "l", "k"]
    assert list(table["class_index"][:3]) == [7, 8, 8]
    assert list(table["error"][3:]) == ["broken_image", "unsupported_image"]
    assert table["insertion"][0] == 0.5
    assert list(explanation().to_pandas()["target"]) == [0, 1, 0]


def test_a_table_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'seewhy\[pandas\]'"):
        explanation().to_pandas()


def test_a_notebook_shows_text_of_the_service_as_text() -> None:
    shown = explanation()._repr_html_()
    assert "&lt;b&gt;7&lt;/b&gt; (7)" in shown
    assert "&lt;vgg16&gt;" in shown
    assert "it is &lt;cut&gt;" in FAILED._repr_html_()


def test_a_result_without_an_explanation_raises_its_reason() -> None:
    refused = ImageResult(image=b"png", error=Problem(code="unsupported_image", detail="a PDF"))
    with pytest.raises(ImageNotExplained, match=r"a PDF \(unsupported_image\)"):
        refused.require_explanation()
    one = explanation()
    assert ImageResult(image=b"png", explanation=one).require_explanation() is one
