"""What was drawn in the editor: its label, its place, and the class that is shown for it."""

from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from label_studio_rules import recording
from seewhy.catalog.catalog import Catalog
from seewhy.imaging import maps
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.settings import load
from seewhy.storage.obstore_adapter import memory_store
from seewhy_api.label_studio.drawn_region import DrawnRegion
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.project_view import ProjectView, view_project
from seewhy_api.label_studio.requests import Context

SIZE: dict[str, JsonValue] = {"original_width": 400, "original_height": 200, "image_rotation": 0}
LEFT = Rectangle(x=0.1, y=0.4, width=0.1, height=0.1)
RIGHT = Rectangle(x=0.8, y=0.4, width=0.1, height=0.1)
CLASSES = ("tabby", "espresso", "golden retriever")
"""Their evidence is at the left, at the right, and strongest at the right."""


def drawn(kind: str, **value: JsonValue) -> DrawnRegion | None:
    region = {"type": kind, "from_name": "c", "value": {**value, kind: ["evidence"]}, **SIZE}
    return Context(result=(region,)).drawn


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        ("keypointlabels", {"x": 30, "y": 40, "width": 0.5}, (0.2975, 0.3975, 0.005, 0.005)),
        ("rectanglelabels", {"x": 10, "y": 20, "width": 30, "height": 40}, (0.1, 0.2, 0.3, 0.4)),
        (
            "rectanglelabels",  # turned about its corner by a quarter, to the left
            {"x": 50, "y": 20, "width": 10, "height": 20, "rotation": 90},
            (0.4, 0.2, 0.1, 0.2),
        ),
        ("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20}, (0.4, 0.3, 0.2, 0.4)),
        ("polygonlabels", {"points": [[10, 10], [30, 10], [10, 50]]}, (0.1, 0.1, 0.2, 0.4)),
    ],
)
def test_the_place_of_a_shape_is_the_box_around_it(
    kind: str, value: dict[str, JsonValue], place: tuple[float, ...]
) -> None:
    found = drawn(kind, **value)
    assert found is not None
    assert (found.from_name, found.label) == ("c", "evidence")
    assert found.place is not None
    box = found.place
    assert (box.x, box.y, box.width, box.height) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("choices", {}),
        ("brushlabels", {"format": "rle", "rle": [1, 2, 3]}),
        ("rectanglelabels", {"x": "10", "y": 20, "width": 30, "height": 40}),
        ("keypointlabels", {"x": 30}),
        ("unknown", {"x": 30, "y": 40}),
    ],
)
def test_a_region_without_a_known_place_has_its_label(
    kind: str, value: dict[str, JsonValue]
) -> None:
    assert drawn(kind, **value) == DrawnRegion("c", "evidence", None)


def test_the_region_that_was_drawn_last_counts() -> None:
    context = Context.model_validate(recording(9)["body"]["params"]["context"])
    assert context.drawn
    assert (context.drawn.from_name, context.drawn.label) == ("kp", "point")
    assert Context().drawn is None
    bare = {"type": "rectangle", "from_name": "r", "value": {"x": 1}}
    assert Context(result=(*context.result, bare)).drawn == context.drawn
    assert Context(result=({**bare, "value": {"rectangle": [7]}},)).drawn is None


def project(labels: str) -> ProjectView:
    """Return a project in which the label `evidence` shows every class, or only some are named."""
    config = f"""<View><Image name="image" value="$image"/>
        <Choices name="class" toName="image">{labels}</Choices></View>"""
    alias = {"evidence": "*"} if "evidence" in labels else {}
    spec = Catalog.load(load({})).get("efficientnet-lite0")
    return view_project(config, BackendOptions(alias=alias), spec=spec, version="1")


def shown_class(labels: str, place: Rectangle | None, signed: np.ndarray) -> tuple[Any, float]:
    """Return the label that a prediction shows, and its score."""
    view = project(labels)
    spec = Catalog.load(load({})).get("efficientnet-lite0")
    targets = tuple(
        TargetResult(
            score=ClassScore(
                index=spec.labels.index_of(name), label=name, logit=0.0, probability=0.5**number
            ),
            verdict=Verdict.OK,
            minimum=-1,
            maximum=1,
        )
        for number, name in enumerate(CLASSES, start=1)
    )
    store = memory_store()
    store.put("map", maps.encode_npy(signed), content_type="application/octet-stream")
    result = Result(
        model=spec.name,
        model_digest="d",
        method="gradcam",
        layer="l",
        linear=True,
        targets=targets,
        top=tuple(target.score for target in targets),
        map_height=signed.shape[1],
        map_width=signed.shape[2],
        covers=Rectangle(x=0, y=0, width=400, height=200),
        image_width_px=400,
        image_height_px=200,
        objects={"map": "map"},
        digests={},
        timings_ms={},
        versions={},
    )
    builder = PredictionBuilder(store=store, pixels=PixelBudget(pixels=1_000_000, timeout_s=1))
    prediction = builder.build(result, view, task_id=1, place=place)
    values = [each["value"]["choices"] for each in prediction["result"]]
    return values, prediction["score"]


def evidence() -> np.ndarray:
    """Return the maps of `CLASSES`, (3, 4, 8)."""
    signed = np.zeros((3, 4, 8), np.float32)
    signed[0, :, :4], signed[0, :, 4:] = 1, -1
    signed[1, :, 4:] = 1
    signed[2, :, 4:] = 2
    return signed


EACH = "".join(f'<Choice value="{name}"/>' for name in CLASSES)


@pytest.mark.parametrize(
    ("labels", "place", "label", "score"),
    [
        (EACH, None, "tabby", 0.5),
        (EACH, LEFT, "tabby", 0.5),
        (EACH, RIGHT, "golden retriever", 0.125),
        ("<Choice value='evidence'/>", RIGHT, "evidence", 0.125),
        ("<Choice value='tabby'/><Choice value='espresso'/>", RIGHT, "espresso", 0.25),
    ],
)
def test_the_class_with_the_most_evidence_at_a_place_is_shown_if_it_has_a_label(
    labels: str, place: Rectangle | None, label: str, score: float
) -> None:
    assert shown_class(labels, place, evidence()) == ([[label]], score)


@pytest.mark.parametrize("value", [-1, 0, np.nan])
def test_the_most_probable_class_is_shown_where_no_class_has_evidence(value: float) -> None:
    signed = np.full((3, 4, 8), value, np.float32)
    assert shown_class(EACH, RIGHT, signed) == ([["tabby"]], 0.5)
