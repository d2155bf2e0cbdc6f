"""Trust scores from the explainer of a small network, and for a box."""

import numpy as np
import pytest
from pydantic import ValidationError

import networks
from optionals import present
from seewhy.schemas.geometry import Box, Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.result import TargetResult
from seewhy.schemas.targets import Target
from seewhy.schemas.trust_scores import TrustScores
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.trust_scores import with_localization
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.stub import StubExplainer

IMAGES = networks.random_images(3, seed=4)
TRUST = MethodOptions(trust=True)
NUMBERS = ("insertion", "deletion", "drop", "times_better_than_chance")


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    model = networks.two_layer_cnn()
    return networks.make_explainer(model, tmp_path_factory.mktemp("small"), max_batch=4)


def explain(
    explainer: KerasExplainer,
    indices: list[int],
    targets: tuple[int | Target, ...],
    *options: MethodOptions,
) -> list[ImageExplanation]:
    images = [explainer.prepare(IMAGES[index]) for index in indices]
    return explainer.explain(
        [
            ExplanationTask.create(image, targets, one)
            for image, one in zip(images, options, strict=True)
        ]
    )


def trust_of(target: TargetResult) -> TrustScores:
    return present(target.trust)


def test_only_images_that_ask_for_trust_scores_get_them(explainer: KerasExplainer) -> None:
    one, other = explain(explainer, [0, 1], (-1,), TRUST, MethodOptions())
    trust = trust_of(one.targets[0])
    assert 0 < present(trust.insertion) < 1
    assert 0 < present(trust.deletion) < 1
    assert other.targets[0].trust is None


def test_trust_scores_do_not_depend_on_other_images_or_targets(
    explainer: KerasExplainer,
) -> None:
    together = explain(explainer, [0, 1, 2], (0, 3, -1), TRUST, TRUST, TRUST)
    for index in range(3):
        for column, class_ in enumerate((0, 3, -1)):
            (alone,) = explain(explainer, [index], (class_,), TRUST)
            found = trust_of(together[index].targets[column])
            expected = trust_of(alone.targets[0])
            assert (found.increase, found.pointing_hit) == (expected.increase, None)
            for name in NUMBERS:
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-3)


def test_a_contrast_has_faithfulness_scores_and_evidence_against_a_class_has_none(
    explainer: KerasExplainer,
) -> None:
    targets = (Target(index=1, rivals=(2,)), Target(index=1, against=True), 1)
    (explained,) = explain(explainer, [0], targets, TRUST)
    contrast, against, plain = explained.targets
    assert 0 < present(trust_of(contrast).insertion) < 1
    assert against.trust is None
    assert trust_of(plain).insertion != trust_of(contrast).insertion


def test_probabilities_agree_with_those_of_explanations(explainer: KerasExplainer) -> None:
    pixels = np.stack([explainer.prepare(image).pixels for image in IMAGES])
    scores = explainer.probabilities(pixels)
    for row, one in zip(scores, explain(explainer, [0, 1, 2], (-1,), *[TRUST] * 3), strict=True):
        assert row.argmax() == one.targets[0].score.index
        assert row.max() == pytest.approx(one.targets[0].score.probability)


def test_a_box_adds_localization_to_existing_trust_scores(explainer: KerasExplainer) -> None:
    (with_trust,) = explain(explainer, [0], (0, 1), TRUST)
    (plain,) = explain(explainer, [0], (0, 1), MethodOptions())
    height_px, width_px, _ = IMAGES[0].shape
    box = Box(x=0, y=0, width=width_px, height=height_px)

    for target, before in zip(
        with_localization(with_trust, box).targets, with_trust.targets, strict=True
    ):
        trust = trust_of(target)
        assert trust.insertion == trust_of(before).insertion
        assert trust.pointing_hit is True
        assert trust.energy_in_box == pytest.approx(1)
    for target in with_localization(plain, box).targets:
        trust = trust_of(target)
        assert trust.insertion is None
        assert trust.energy_in_box == pytest.approx(1)


def test_the_stub_returns_no_trust_scores() -> None:
    stub = StubExplainer()
    (explained,) = stub.explain([ExplanationTask.create(stub.prepare(IMAGES[0]), [0], TRUST)])
    assert explained.targets[0].trust is None


def test_a_box_without_trust_output_or_without_area_is_refused() -> None:
    box = {"x": 0, "y": 0, "width": 10, "height": 10}
    request = ExplanationRequest.model_validate({"outputs": ["trust"], "box": box})
    assert request.box == Box(**box)
    assert isinstance(request.box, Rectangle)
    for wrong in (
        {"box": box},
        {"outputs": ["trust"], "box": {**box, "width": 0}},
        {"outputs": ["trust"], "box": {**box, "x": float("inf")}},
        {"outputs": ["trust"], "box": {**box, "z": 1}},
    ):
        with pytest.raises(ValidationError):
            ExplanationRequest.model_validate(wrong)
