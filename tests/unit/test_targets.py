"""How the targets of a request are resolved, and which combinations are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from seewhy.errors import InvalidRequest, UnknownClass
from seewhy.schemas.job import Job
from seewhy.schemas.labels import Labels
from seewhy.schemas.methods import METHODS, OutputKind
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
        ([3.0], (3,)),
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


def test_a_repeated_target_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"more than once: 1 \(Dog\)"):
        resolve_targets(["dog", 1], ANIMALS)
    with pytest.raises(InvalidRequest, match=r"more than once: 0 \(cat\)"):
        resolve_targets([contrast("cat", "dog"), contrast(0, 1)], ANIMALS)


def test_more_targets_than_classes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"asks for 6 classes.*only 5"):
        resolve_targets("top:6", ANIMALS)


@pytest.mark.parametrize("targets", ["top:0", "top:21", "best", [], list(range(MAX_TARGETS + 1))])
def test_malformed_targets_are_refused(targets: Any) -> None:
    with pytest.raises(InvalidRequest, match="targets must be"):
        resolve_targets(targets, ANIMALS)


def test_an_unknown_class_in_a_comparison_is_refused() -> None:
    with pytest.raises(UnknownClass, match="unicorn"):
        resolve_targets([contrast("cat", "unicorn")], ANIMALS)
    with pytest.raises(UnknownClass, match="unicorn"):
        resolve_targets(Against(against="unicorn"), ANIMALS)


@pytest.mark.parametrize("rivals", [("Cat",), ("dog", 1), ("predicted", "predicted")])
def test_a_contrast_names_each_class_once(rivals: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidRequest, match="more than once in `why` and `not`"):
        resolve_targets(contrast("cat", *rivals), ANIMALS)


def test_a_job_round_trips_through_json() -> None:
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
    assert (again.method_options[0].layers, again.method_options[0].trust) == (("a", "b"), True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "finercam", "targets": [{"why": 1, "not": [2]}]}, "chooses the rivals"),
        ({"method": "eigencam", "targets": {"against": 1}}, "not class-specific"),
        ({"preset": "classic", "targets": {"against": 1}}, "cannot explain contrasts"),
        ({"preset": "classic", "layer": "a"}, "fixes the layer"),
        ({"method": "smoothgrad", "layer": "a"}, "explains pixels, not a layer"),
        ({"fallback": ["scorecam"], "layer": ["a", "b"]}, "cannot fuse layers"),
        ({"methods": ["hirescam"], "method": "gradcam"}, "methods replaces method"),
        ({"methods": ["hirescam"], "fallback": ["gradcam"]}, "methods replaces method"),
        ({"methods": ["hirescam", "hirescam"]}, "methods repeats a method"),
        ({"methods": ["hirescam"], "preset": "classic"}, "preset classic fixes methods"),
        ({"methods": ["gradcam", "smoothgrad"], "layer": "a"}, "explains pixels"),
        ({"layer": ["a", "a"]}, "each once"),
        ({"layer": ["a", "b", "c", "d", "e"]}, "at most 4"),
        ({"layers": ["a", "b", "c", "d", "e"]}, "at most 4"),
        ({"layers": ["a", "b"], "layer": "a"}, "layers replaces layer and fallback"),
        ({"layers": ["a", "b"], "fallback": ["hirescam"]}, "layers replaces layer and fallback"),
        ({"layers": ["a", "a"]}, "layers repeats a layer"),
        ({"layers": [["a", "b"]]}, "valid string"),
        ({"layers": ["a"], "preset": "classic"}, "fixes the layer"),
        ({"layers": ["a", "b"], "method": "smoothgrad"}, "explains pixels, not a layer"),
        ({"layers": ["a", "b", "c"], "methods": list(METHODS[:3])}, "make 9 pairs"),
    ],
)
def test_conflicting_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExplanationRequest.model_validate(fields)


@pytest.mark.parametrize(
    ("layer", "layers"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ([], ())]
)
def test_the_layers_of_one_map_are_fused(layer: Any, layers: tuple[str, ...]) -> None:
    assert ExplanationRequest.model_validate({"layer": layer}).chosen_layers == (layers,)


def test_several_layers_have_a_map_each() -> None:
    request = ExplanationRequest.model_validate({"layers": ["a", "b"], "method": "scorecam"})
    assert request.chosen_layers == (("a",), ("b",))


HAND = Labels(["age", "length"], noun="output")
ONE = Labels(["age"], noun="output")


@pytest.mark.parametrize(
    ("targets", "labels", "resolved"),
    [
        ("predicted", ONE, (0,)),
        ({"output": 1}, HAND, (1,)),
        ([{"output": "Age"}, {"output": 1}], HAND, (0, 1)),
        (["age", {"against": "length"}], HAND, (0, Target(index=1, against=True))),
    ],
)
def test_targets_of_a_model_of_values_are_its_outputs(
    targets: Any, labels: Labels, resolved: tuple[Any, ...]
) -> None:
    assert resolve_targets(targets, labels, "values") == resolved


@pytest.mark.parametrize(
    "targets",
    ["predicted", "top:1", ["predicted"], {"against": "predicted"}, {"why": "age", "not": [1]}],
)
def test_values_have_no_rank_and_no_contrast(targets: Any) -> None:
    with pytest.raises(InvalidRequest, match=r'such as \{"output": "age"\}'):
        resolve_targets(targets, HAND, "values")


@pytest.mark.parametrize(
    ("targets", "labels", "outputs", "complaint"),
    [
        ({"output": "weight"}, HAND, "values", "the model has no output 'weight'"),
        ({"output": 2}, HAND, "values", "no output 2: indices run from 0 to 1"),
        ({"output": 0}, ANIMALS, "classes", "the model outputs classes; name a class"),
        ([0, {"output": 1}], ANIMALS, "classes", "the model outputs classes; name a class"),
        ([0, {"output": "age"}], HAND, "values", r"more than once: 0 \(age\)"),
    ],
)
def test_an_output_that_the_model_does_not_have_is_refused(
    targets: Any, labels: Labels, outputs: OutputKind, complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        resolve_targets(targets, labels, outputs)
