"""Suspicion: the numbers that a map gives, and the reasons that they are."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seewhy.imaging.concentration import border_area_share, border_share, overlap
from seewhy.imaging.suspicion import suspicion
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import ClassScore, ExplanationResult, OtherMaps, TargetResult, Verdict
from seewhy.schemas.suspicion import Suspicion
from seewhy.schemas.suspicion import SuspicionReason as Reason
from seewhy.schemas.trust_scores import TrustScores

EVEN = np.ones((7, 7), np.float32)
CENTER = np.zeros((7, 7), np.float32)
CENTER[3, 3] = 2
CORNER = np.zeros((7, 7), np.float32)
CORNER[0, 0] = 5
PROBABLY_WRONG = "The most probable class has only 2.0 %"
MOST_BITS = 13.2877
"""Those of the smallest number that a result can have: 0.0001."""
SIZES = st.tuples(st.integers(1, 16), st.integers(1, 16))
MAPS = SIZES.flatmap(lambda size: arrays(np.float32, size, elements=st.floats(width=32)))


def score(index: int, probability: float | None) -> ClassScore:
    return ClassScore(index=index, label=str(index), logit=1.0, probability=probability)


def target(index: int = 0, *, probability: float = 0.9, **fields: object) -> TargetResult:
    plain = TargetResult(
        score=score(index, probability),
        verdict=Verdict.OK,
        minimum=0,
        maximum=1,
        border_share=0.2,
    )
    return plain.model_copy(update=fields)


def result(
    *targets: TargetResult,
    top: tuple[float | None, ...] = (0.9, 0.05),
    other_maps: tuple[OtherMaps, ...] = (),
    structure: float | None = 0.7,
) -> ExplanationResult:
    return ExplanationResult(
        model_digest="d", method="gradcam", layer="l", linear=True,
        targets=targets or (target(),), other_maps=other_maps,
        top=tuple(score(index, probability) for index, probability in enumerate(top)),
        map_height=7, map_width=7, covers=Rectangle(x=0, y=0, width=1, height=1),
        image_width_px=1, image_height_px=1, timings_ms={}, versions={}, structure=structure,
    )  # fmt: skip


def parts(explained: ExplanationResult, **options: Agreement) -> dict[Reason, Any]:
    found = suspicion(explained, **options)
    assert found.score == pytest.approx(sum(part.score for part in found.parts))
    assert [part.score for part in found.parts] == sorted(
        (part.score for part in found.parts), reverse=True
    )
    return {part.reason: (part.score, part.value) for part in found.parts}


def test_evidence_in_one_cell_is_inside_or_at_the_border() -> None:
    assert (border_share(CENTER), border_share(CORNER)) == (0, 1)


def test_even_evidence_has_the_border_share_of_the_area() -> None:
    assert border_share(EVEN) == pytest.approx(24 / 49) == border_area_share(7, 7)


def test_the_border_is_a_fourteenth_of_each_side_and_at_least_one_cell() -> None:
    assert border_area_share(14, 14) == pytest.approx(52 / 196)
    assert border_area_share(224, 224) == pytest.approx(1 - (192 / 224) ** 2)
    assert border_share(np.ones((2, 9), np.float32)) is None


def test_without_evidence_there_is_no_number() -> None:
    for empty in (-EVEN, EVEN * 0, EVEN * np.nan):
        assert border_share(empty) is overlap(EVEN, empty) is None


def test_evidence_overlaps_where_both_maps_have_it() -> None:
    assert overlap(CENTER, 3 * CENTER) == pytest.approx(1)
    assert overlap(CENTER, CORNER) == 0
    assert overlap(EVEN, CENTER) == pytest.approx(1 / 49)
    large = np.kron(CENTER, np.ones((32, 32), np.float32))
    assert overlap(large, CENTER) == overlap(CENTER, large) == pytest.approx(1)


@given(MAPS)
def test_every_number_of_any_map_is_a_share(signed: np.ndarray) -> None:
    for value in (border_share(signed), overlap(signed, signed)):
        assert value is None or -1e-9 <= value <= 1 + 1e-9


@pytest.mark.parametrize(
    ("explained", "words"),
    [
        (result(target(verdict=Verdict.CONSTANT)), "All cells of the map are equal"),
        (result(target(border_share=0.804)), "80 % of the evidence is at the border"),
        (result(target(1, probability=0.034)), "The map is of 1, which has 3.4 %"),
        (result(target(probability=0.02), top=(0.02, 0.01)), PROBABLY_WRONG),
        (
            result(target(trust=TrustScores(times_better_than_chance=0.9))),
            "Worse than a random map",
        ),
        (result(structure=0.0), "The image has no structure"),
        (
            result(structure=0.0049),
            "0.5 % of the image is structure, the rest noise or fine detail",
        ),
    ],
)
def test_the_strongest_reason_is_said_in_words(explained: ExplanationResult, words: str) -> None:
    assert suspicion(explained).parts[0].words == words


def test_a_plain_explanation_is_not_suspicious() -> None:
    assert suspicion(result()) == Suspicion(score=0, parts=())


def test_a_flagged_map_has_the_most_bits_that_a_reason_can_have() -> None:
    flagged = target(verdict=Verdict.ALL_NEGATIVE, border_share=None)
    assert parts(result(flagged)) == {Reason.VERDICT: (MOST_BITS, None)}


@pytest.mark.parametrize(
    ("trust", "expected"), [(0.5, 2.3219), (0.999, 1.0014), (1.0, None), (1.9, None)]
)
def test_a_map_worse_than_a_random_one_is_suspicious(trust: float, expected: float | None) -> None:
    """The plausibility of a half is insertion / (insertion + deletion) = 1/4 / (1/4 + 1)."""
    scores = TrustScores(times_better_than_chance=trust)
    assert parts(result(target(trust=scores))) == (
        {Reason.TRUST: (expected, trust)} if expected else {}
    )


def test_evidence_at_the_border_is_compared_with_the_area_of_the_border() -> None:
    """Of 7 x 7 cells, 24 are border: with 3/4 of the evidence it is 25/8 times as dense there."""
    expected = pytest.approx(-math.log2(0.25 / 25 / (0.25 / 25 + 0.75 / 24)), abs=1e-4)
    assert parts(result(target(border_share=0.75))) == {Reason.BORDER: (expected, 0.75)}
    assert parts(result(target(border_share=1.0))) == {Reason.BORDER: (MOST_BITS, 1)}
    assert parts(result(target(border_share=0.4897))) == {}


def test_an_image_without_structure_is_suspicious() -> None:
    assert parts(result(structure=0.25)) == {Reason.IMAGE: (2, 0.25)}
    assert parts(result(structure=0.0)) == {Reason.IMAGE: (MOST_BITS, 0)}
    assert parts(result(structure=0.5)) == {}


def test_an_answer_that_is_probably_wrong_is_suspicious() -> None:
    unsure = result(target(probability=0.125), top=(0.125, 0.1))
    assert parts(unsure) == {Reason.ANSWER: (3, 0.125)}
    assert parts(result(target(probability=0.125), top=(0.125,))) == {}


def test_another_class_than_the_answer_counts_by_how_much_less_probable_it_is() -> None:
    other = target(1, probability=0.2)
    assert parts(result(other, top=(0.8, 0.2))) == {Reason.CLASS: (2, 0.2)}
    both = {Reason.ANSWER: (pytest.approx(1.3219), 0.4), Reason.CLASS: (2, 0.1)}
    assert parts(result(target(1, probability=0.1), top=(0.4, 0.3))) == both
    assert parts(result(target(1, probability=0.3), top=(0.5, 0.3))) == {}
    assert parts(result(target(1, probability=0.1, against=True))) == {}
    assert parts(result(target(1, probability=0.1, rivals=(score(0, 0.9),)))) == {}


def test_methods_disagree_when_their_evidence_is_elsewhere() -> None:
    others = tuple(
        OtherMaps(
            method="layercam", layer="l", linear=False, map_height=7, map_width=7,
            targets=(target(overlap=value),),
        )
        for value in (0.9, 0.125, None)
    )  # fmt: skip
    assert parts(result(other_maps=others)) == {Reason.METHODS: (3, 0.125)}


def test_evidence_outside_the_annotation_is_compared_with_the_area_of_the_annotation() -> None:
    """A fifth of the evidence on a fifth of the image is chance; a tenth is 4/9 as dense."""
    sparse = {Reason.ANNOTATION: (pytest.approx(math.log2(13 / 4), abs=1e-4), 0.1)}
    assert parts(result(), agreement=Agreement(coverage=0.2, energy_inside=0.1)) == sparse
    nothing = {Reason.ANNOTATION: (MOST_BITS, 0)}
    assert parts(result(), agreement=Agreement(coverage=0.2, energy_inside=0)) == nothing
    for plausible in (
        Agreement(coverage=0.2, energy_inside=0.2),
        Agreement(coverage=0.02, energy_inside=0.2),
        Agreement(coverage=1, energy_inside=1),
        Agreement(coverage=0.2),
    ):
        assert parts(result(), agreement=plausible) == {}


def test_a_result_without_numbers_has_no_reasons() -> None:
    earlier = target(border_share=None)
    assert parts(result(earlier, top=(None, None), structure=None)) == {}
    assert parts(result(earlier, top=(), structure=None)) == {}
