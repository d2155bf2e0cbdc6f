"""Trust through the explainer of a small network, and beside a box."""

import numpy as np
import pytest
from pydantic import ValidationError

import networks
from seewhy.schemas.geometry import Box, Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import Target
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.trust_scores import with_localization
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.stub import StubExplainer

PICTURES = networks.random_pictures(3, seed=4)
TRUST = MethodOptions(trust=True)
NUMBERS = ("insertion", "deletion", "drop", "times_better_than_chance")


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    model = networks.two_layer_cnn()
    return networks.explainer_of(model, tmp_path_factory.mktemp("small"), max_batch=4)


def explain(
    explainer: KerasExplainer,
    places: list[int],
    targets: tuple[int | Target, ...],
    *recipes: MethodOptions,
) -> list[ImageExplanation]:
    prepared = [explainer.prepare(PICTURES[place]) for place in places]
    return explainer.explain(prepared, [targets] * len(places), list(recipes))


def test_only_who_asks_is_put_to_the_test(explainer: KerasExplainer) -> None:
    one, other = explain(explainer, [0, 1], (-1,), TRUST, MethodOptions())
    assert one.targets[0].trust is not None
    assert 0 < one.targets[0].trust.insertion < 1
    assert 0 < one.targets[0].trust.deletion < 1
    assert other.targets[0].trust is None


def test_trust_does_not_depend_on_batch_mates_nor_on_other_targets(
    explainer: KerasExplainer,
) -> None:
    together = explain(explainer, [0, 1, 2], (0, 3, -1), TRUST, TRUST, TRUST)
    for place in range(3):
        for number, class_ in enumerate((0, 3, -1)):
            (alone,) = explain(explainer, [place], (class_,), TRUST)
            found, expected = together[place].targets[number].trust, alone.targets[0].trust
            assert (found.increase, found.pointing_hit) == (expected.increase, None)
            for name in NUMBERS:
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-3)


def test_a_contrast_is_judged_by_its_class_and_evidence_against_one_is_not(
    explainer: KerasExplainer,
) -> None:
    targets = (Target(index=1, rivals=(2,)), Target(index=1, against=True), 1)
    (explained,) = explain(explainer, [0], targets, TRUST)
    contrast, against, plain = explained.targets
    assert 0 < contrast.trust.insertion < 1
    assert against.trust is None
    assert plain.trust.insertion != contrast.trust.insertion


def test_pictures_are_scored_as_explanations_say(explainer: KerasExplainer) -> None:
    pixels = np.stack([explainer.prepare(picture).pixels for picture in PICTURES])
    scores = explainer.probabilities(pixels)
    for row, one in zip(scores, explain(explainer, [0, 1, 2], (-1,), *[TRUST] * 3), strict=True):
        assert row.argmax() == one.targets[0].score.index
        assert row.max() == pytest.approx(one.targets[0].score.probability)


def test_a_box_adds_what_it_can_say_to_what_is_known(explainer: KerasExplainer) -> None:
    (tested,) = explain(explainer, [0], (0, 1), TRUST)
    (plain,) = explain(explainer, [0], (0, 1), MethodOptions())
    height_px, width_px, _ = PICTURES[0].shape
    box = Box(x=0, y=0, width=width_px, height=height_px)

    for target, before in zip(with_localization(tested, box).targets, tested.targets, strict=True):
        assert target.trust.insertion == before.trust.insertion
        assert target.trust.pointing_hit is True
        assert target.trust.energy_in_box == pytest.approx(1)
    for target in with_localization(plain, box).targets:
        assert target.trust.insertion is None
        assert target.trust.energy_in_box == pytest.approx(1)


def test_the_stub_has_no_scores_to_judge_by_and_says_so() -> None:
    stub = StubExplainer()
    (explained,) = stub.explain([stub.prepare(PICTURES[0])], [(0,)], [TRUST])
    assert explained.targets[0].trust is None


def test_a_box_is_refused_without_trust_and_without_an_area() -> None:
    box = {"x": 0, "y": 0, "width": 10, "height": 10}
    asked = ExplanationRequest.model_validate({"outputs": ["trust"], "box": box})
    assert asked.box == Box(**box)
    assert isinstance(asked.box, Rectangle)
    for wrong in (
        {"box": box},
        {"outputs": ["trust"], "box": {**box, "width": 0}},
        {"outputs": ["trust"], "box": {**box, "x": float("inf")}},
        {"outputs": ["trust"], "box": {**box, "z": 1}},
    ):
        with pytest.raises(ValidationError):
            ExplanationRequest.model_validate(wrong)
