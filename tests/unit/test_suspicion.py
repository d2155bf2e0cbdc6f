"""Suspicion: the numbers that a map gives, and the reasons that they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seewhy.imaging.concentration import border_area_share, border_share, overlap, spread
from seewhy.imaging.suspicion import suspicion
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import ClassScore, ExplanationResult, OtherMaps, TargetResult, Verdict
from seewhy.schemas.suspicion import SuspicionReason as Reason
from seewhy.schemas.trust_scores import TrustScores

EVEN = np.ones((7, 7), np.float32)
CENTER = np.zeros((7, 7), np.float32)
CENTER[3, 3] = 2
CORNER = np.zeros((7, 7), np.float32)
CORNER[0, 0] = 5
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
        spread=0.8,
    )
    return plain.model_copy(update=fields)


def result(
    *targets: TargetResult,
    top: tuple[float | None, ...] = (0.9, 0.05),
    other_maps: tuple[OtherMaps, ...] = (),
) -> ExplanationResult:
    return ExplanationResult(
        model_digest="d", method="gradcam", layer="l", linear=True,
        targets=targets or (target(),), other_maps=other_maps,
        top=tuple(score(index, probability) for index, probability in enumerate(top)),
        map_height=7, map_width=7, covers=Rectangle(x=0, y=0, width=1, height=1),
        image_width_px=1, image_height_px=1, timings_ms={}, versions={},
    )  # fmt: skip


def parts(explained: ExplanationResult, **options: Agreement) -> dict[Reason, Any]:
    found = suspicion(explained, **options)
    assert found.score == pytest.approx(sum(part.score for part in found.parts))
    assert [part.score for part in found.parts] == sorted(
        (part.score for part in found.parts), reverse=True
    )
    return {part.reason: (part.score, part.value) for part in found.parts}


def test_evidence_in_one_cell_is_inside_or_at_the_border_and_not_spread() -> None:
    assert (border_share(CENTER), spread(CENTER)) == (0, 0)
    assert (border_share(CORNER), spread(CORNER)) == (1, 0)


def test_even_evidence_has_the_border_share_of_the_area() -> None:
    assert border_share(EVEN) == pytest.approx(24 / 49) == border_area_share(7, 7)
    assert spread(EVEN) == pytest.approx(1)


def test_the_border_is_a_fourteenth_of_each_side_and_at_least_one_cell() -> None:
    assert border_area_share(14, 14) == pytest.approx(52 / 196)
    assert border_area_share(224, 224) == pytest.approx(1 - (192 / 224) ** 2)
    assert border_share(np.ones((2, 9), np.float32)) is None


def test_without_evidence_there_is_no_number() -> None:
    for empty in (-EVEN, EVEN * 0, EVEN * np.nan):
        assert border_share(empty) is spread(empty) is overlap(EVEN, empty) is None


def test_evidence_overlaps_where_both_maps_have_it() -> None:
    assert overlap(CENTER, 3 * CENTER) == pytest.approx(1)
    assert overlap(CENTER, CORNER) == 0
    assert overlap(EVEN, CENTER) == pytest.approx(1 / 49)
    large = np.kron(CENTER, np.ones((32, 32), np.float32))
    assert overlap(large, CENTER) == overlap(CENTER, large) == pytest.approx(1)


@given(MAPS)
def test_every_number_of_any_map_is_a_share(signed: np.ndarray) -> None:
    for value in (border_share(signed), spread(signed), overlap(signed, signed)):
        assert value is None or -1e-9 <= value <= 1 + 1e-9


@pytest.mark.parametrize(
    ("explained", "words"),
    [
        (target(verdict=Verdict.CONSTANT), "All cells of the map are equal"),
        (target(border_share=0.804), "80 % of the evidence is at the border"),
        (target(1, probability=0.034), "The map is of 1, which has 3.4 %"),
        (
            target(trust=TrustScores(times_better_than_chance=1.2)),
            "Hardly better than a random map",
        ),
    ],
)
def test_the_strongest_reason_is_said_in_words(explained: TargetResult, words: str) -> None:
    assert suspicion(result(explained)).parts[0].words == words


def test_a_plain_explanation_is_not_suspicious() -> None:
    assert parts(result()) == {}


def test_a_flagged_map_counts_fully() -> None:
    flagged = target(verdict=Verdict.ALL_NEGATIVE, border_share=None, spread=None)
    assert parts(result(flagged)) == {Reason.VERDICT: (1.0, None)}


@pytest.mark.parametrize(("trust", "expected"), [(0.7, 1.0), (1.0, 1.0), (1.25, 0.5)])
def test_a_map_no_better_than_a_random_one_counts_fully(trust: float, expected: float) -> None:
    scores = TrustScores(times_better_than_chance=trust)
    assert parts(result(target(trust=scores))) == {Reason.TRUST: (expected, trust)}


def test_evidence_at_the_border_counts_beyond_the_area_of_the_border() -> None:
    assert parts(result(target(border_share=1.0))) == {Reason.BORDER: (1.0, 1.0)}
    half = 1 - (25 / 49) / 2
    assert parts(result(target(border_share=half)))[Reason.BORDER][0] == pytest.approx(0.5)
    assert parts(result(target(border_share=24 / 49))) == {}


def test_even_evidence_counts_fully() -> None:
    assert parts(result(target(spread=1.0))) == {Reason.SPREAD: (1.0, 1.0)}


def test_another_class_than_the_answer_counts_with_what_it_lacks() -> None:
    other = result(target(1, probability=0.1))
    assert parts(other) == {Reason.CLASS: (pytest.approx(0.9), pytest.approx(0.8))}
    assert parts(result(target(1, probability=0.1, against=True))) == {}
    assert parts(result(target(1, probability=0.1, rivals=(score(0, 0.9),)))) == {}


def test_a_small_margin_counts_as_far_as_the_two_maps_overlap() -> None:
    close = (0.5, 0.4)
    assert parts(result(top=close)) == {Reason.MARGIN: (0.15, 0.1)}
    explained = result(target(), target(1, overlap=0.4), top=close)
    assert parts(explained) == {Reason.MARGIN: (0.06, 0.1)}
    assert parts(result(target(), target(1, overlap=0.0), top=close)) == {}


def test_methods_disagree_when_their_evidence_is_elsewhere() -> None:
    others = tuple(
        OtherMaps(
            method="layercam", layer="l", linear=False, map_height=7, map_width=7,
            targets=(target(overlap=value),),
        )
        for value in (0.9, 0.1, None)
    )  # fmt: skip
    assert parts(result(other_maps=others)) == {Reason.METHODS: (0.8, 0.1)}


def test_evidence_outside_the_annotation_counts() -> None:
    agreement = Agreement(coverage=0.2, energy_inside=0.25)
    assert parts(result(), agreement=agreement) == {Reason.ANNOTATION: (0.75, 0.25)}
    assert parts(result(), agreement=Agreement(coverage=0.2)) == {}


def test_a_result_without_numbers_has_no_reasons() -> None:
    earlier = target(border_share=None, spread=None)
    assert parts(result(earlier, top=(None, None))) == {}
    assert parts(result(earlier, top=())) == {}
