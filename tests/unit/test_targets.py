"""What a request's targets mean."""

from typing import Any

import pytest
from pydantic import ValidationError

from seewhy.errors import InvalidRequest, UnknownClass
from seewhy.schemas.job import Job
from seewhy.schemas.labels import Labels
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import (
    MAX_TARGETS,
    Against,
    Contrast,
    RequestedTargets,
    Target,
    resolve_targets,
)

ANIMALS = Labels(["cat", "Dog", "crane", "mouse", "horse"])


def contrast(why: str | int, *rivals: str | int) -> Contrast:
    return Contrast.model_validate({"why": why, "not": rivals})


@pytest.mark.parametrize(
    ("targets", "resolved"),
    [
        ("predicted", (-1,)),
        ("top:1", (-1,)),
        ("top:3", (-1, -2, -3)),
        (["dog", 0, "4"], (1, 0, 4)),
        (["predicted", "dog"], (-1, 1)),
        (Against(against="predicted"), (Target(index=-1, against=True),)),
        (contrast("predicted", "dog", 3), (Target(index=-1, rivals=(1, 3)),)),
        (contrast("cat", "predicted"), (Target(index=0, rivals=(-1,)),)),
        (
            ["cat", contrast("cat", "dog"), contrast("cat", "mouse"), Against(against="cat")],
            (
                0,
                Target(index=0, rivals=(1,)),
                Target(index=0, rivals=(3,)),
                Target(index=0, against=True),
            ),
        ),
    ],
)
def test_targets_become_indices_and_ranks(
    targets: RequestedTargets, resolved: tuple[Any, ...]
) -> None:
    assert resolve_targets(targets, ANIMALS) == resolved


def test_a_target_asked_for_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"more than once: 1 \(Dog\)"):
        resolve_targets(["dog", 1], ANIMALS)
    with pytest.raises(InvalidRequest, match=r"more than once: 0 \(cat\)"):
        resolve_targets([contrast("cat", "dog"), contrast(0, 1)], ANIMALS)


def test_more_classes_than_there_are_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"6 classes were asked for.*only 5"):
        resolve_targets("top:6", ANIMALS)


@pytest.mark.parametrize("targets", ["top:0", "top:21", "best", [], list(range(MAX_TARGETS + 1))])
def test_targets_of_another_form_are_refused(targets: Any) -> None:
    with pytest.raises(InvalidRequest, match="targets must be"):
        resolve_targets(targets, ANIMALS)


def test_what_is_compared_must_exist() -> None:
    with pytest.raises(UnknownClass, match="unicorn"):
        resolve_targets([contrast("cat", "unicorn")], ANIMALS)
    with pytest.raises(UnknownClass, match="unicorn"):
        resolve_targets(Against(against="unicorn"), ANIMALS)


@pytest.mark.parametrize("rivals", [("Cat",), ("dog", 1), ("predicted", "predicted")])
def test_a_contrast_names_each_class_once(rivals: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidRequest, match="more than once in `why` and `not`"):
        resolve_targets(contrast("cat", *rivals), ANIMALS)


def test_a_job_s_targets_survive_the_way_through_the_ledger() -> None:
    targets = (3, Target(index=-1, rivals=(1, -2)), Target(index=0, against=True))
    job = Job(
        model="m",
        method="gradcam",
        targets=targets,
        layers=("a", "b"),
        outputs=("trust",),
        image_key="k",
        image_width_px=1,
        image_height_px=1,
    )
    again = Job.model_validate_json(job.model_dump_json())
    assert again.targets == targets
    assert (again.method_options.layers, again.method_options.trust) == (("a", "b"), True)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"method": "finercam", "targets": [{"why": 1, "not": [2]}]}, "chooses what to compare"),
        ({"method": "eigencam", "targets": {"against": 1}}, "same for every class"),
        ({"preset": "classic", "targets": {"against": 1}}, "plain classes alone"),
        ({"preset": "classic", "layer": "a"}, "no choice of layer"),
        ({"method": "smoothgrad", "layer": "a"}, "knows no layer"),
        ({"fallback": ["scorecam"], "layer": ["a", "b"]}, "one layer at a time"),
        ({"layer": ["a", "a"]}, "different layers"),
        ({"layer": ["a", "b", "c", "d", "e"]}, "up to 4"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ExplanationRequest.model_validate(asked)


@pytest.mark.parametrize(
    ("layer", "layers"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ([], ())]
)
def test_one_layer_several_and_none_are_read(layer: Any, layers: tuple[str, ...]) -> None:
    assert ExplanationRequest.model_validate({"layer": layer}).layers == layers
