"""Maps put to the test: by hand on a toy whose score is known, and the laws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.schemas.trust_scores import TrustScores
from seewhy_worker.explain.faithfulness import (
    AT_ONCE,
    STEPS,
    area,
    blur,
    faithfulness,
    forward_passes,
    shares,
    stretched,
    times_better_than_chance,
)

SIDE_PX = 16
CELLS = 4
PICTURE = np.random.default_rng(3).standard_normal((SIDE_PX, SIDE_PX, 3)).astype(np.float32)
MARKED = np.zeros((CELLS, CELLS), bool)
MARKED[1:3, 2:] = True
"""The cells that the toy's score depends on, a quarter of the picture."""

distinct_maps = st.permutations(range(SIDE_PX * SIDE_PX)).map(
    lambda order: (np.array(order, np.float32) - 100).reshape(SIDE_PX, SIDE_PX)
)
small_maps = arrays.arrays(
    np.float32, (CELLS, CELLS), elements=st.integers(-5, 5).map(float)
).filter(lambda signed: signed.min() < signed.max())


def toy(pictures: np.ndarray) -> np.ndarray:
    """Class 0 has the part of the marked pixels that are as in the picture; class 1 the rest."""
    assert len(pictures) <= AT_ONCE
    marked = np.kron(MARKED, np.ones((CELLS, CELLS), bool))
    there = np.abs(pictures - PICTURE).max(axis=3) < 1e-4
    part = there[:, marked].mean(axis=1)
    return np.stack([part, 1 - part], axis=1)


def soft_toy(pictures: np.ndarray) -> np.ndarray:
    """A smooth score of all pixels, of two classes."""
    weights = np.random.default_rng(5).standard_normal(SIDE_PX * SIDE_PX * 3)
    score = 1 / (1 + np.exp(-(pictures.reshape(len(pictures), -1) @ weights) / 10))
    return np.stack([score, 1 - score], axis=1)


def judged(map_: np.ndarray, score=toy, *, class_: int = 0) -> TrustScores:
    (found,) = faithfulness(
        PICTURE,
        map_[np.newaxis].astype(np.float32),
        [class_],
        whole=score(PICTURE[np.newaxis])[0, [class_]],
        probabilities=score,
    )
    return found


def pixel_map(cells: np.ndarray) -> np.ndarray:
    """At the picture's own resolution, so that nothing is interpolated."""
    return np.kron(cells, np.ones((CELLS, CELLS), np.float32))


def test_by_hand_a_map_of_exactly_what_counts() -> None:
    found = judged(pixel_map(MARKED))
    # A quarter is marked: of 8 steps, 2 bring in all of it. After one step its pixels are there
    # by half, which the toy does not take for its picture.
    assert found.insertion == pytest.approx((0 / 2 + 0 + 6 * 1 + 1 / 2) / 8)
    assert found.deletion == pytest.approx((1 / 2 + 0) / 8)
    assert found.times_better_than_chance == pytest.approx(np.sqrt(6.5 / 0.5))
    assert found.drop == 0
    assert found.increase is False


def test_by_hand_a_map_of_half_of_what_counts() -> None:
    half = MARKED.copy()
    half[2] = False
    found = judged(pixel_map(half))
    assert found.insertion == pytest.approx((0 + 0.5 * 7 + 1 / 2) / 8)
    assert found.deletion == pytest.approx((1 / 2 + 0.5 * 1 + 0) / 8)
    assert found.drop == pytest.approx(0.5)


def test_what_speaks_against_the_class_is_not_shown_with_the_evidence() -> None:
    found = judged(pixel_map(MARKED - 2.0 * ~MARKED))
    assert found.drop == 0
    assert judged(pixel_map(~MARKED - 2.0 * MARKED)).drop == 1


def test_evidence_alone_can_raise_the_probability() -> None:
    found = judged(pixel_map(~MARKED), class_=1)
    assert found.increase is True
    assert found.drop is None


def test_the_right_map_is_better_than_its_negative_and_than_noise() -> None:
    right = judged(MARKED.astype(np.float32))
    noise = np.random.default_rng(8).standard_normal((20, CELLS, CELLS))
    for other in (judged(-MARKED.astype(np.float32)), *map(judged, noise)):
        assert right.insertion > other.insertion
        assert right.deletion < other.deletion
        assert right.times_better_than_chance > 1.5 * other.times_better_than_chance


@given(distinct_maps)
def test_a_map_and_its_negative_are_each_others_mirror(map_: np.ndarray) -> None:
    one, other = judged(map_, soft_toy), judged(-map_, soft_toy)
    assert one.insertion == pytest.approx(other.deletion)
    assert one.deletion == pytest.approx(other.insertion)
    assert one.times_better_than_chance * other.times_better_than_chance == pytest.approx(1)


@given(small_maps)
def test_the_mirror_holds_for_maps_full_of_equal_values(map_: np.ndarray) -> None:
    one, other = judged(map_, soft_toy), judged(-map_, soft_toy)
    assert one.insertion == pytest.approx(other.deletion)
    assert one.times_better_than_chance * other.times_better_than_chance == pytest.approx(1)


@given(small_maps, st.sampled_from([np.arctan, np.cbrt, lambda v: v**3 + v, lambda v: 2 * v - 7]))
def test_only_the_order_of_the_pixels_counts(map_: np.ndarray, rising) -> None:
    one = judged(pixel_map(map_), soft_toy)
    other = judged(pixel_map(rising(map_)), soft_toy)
    assert other.insertion == pytest.approx(one.insertion)
    assert other.deletion == pytest.approx(one.deletion)


@given(small_maps, st.integers(-100, 100))
def test_the_scale_of_a_map_changes_nothing(map_: np.ndarray, power: int) -> None:
    # By powers of two, which round nothing: equal values stay equal.
    assert judged(map_ * np.float32(2.0**power), soft_toy) == judged(map_, soft_toy)


def test_several_maps_of_a_picture_are_each_judged_as_if_alone() -> None:
    maps = np.random.default_rng(1).standard_normal((5, CELLS, CELLS)).astype(np.float32)
    maps[2] = np.nan
    classes = [0, 1, 0, 1, 1]
    batches: list[int] = []

    def counted(pictures: np.ndarray) -> np.ndarray:
        batches.append(len(pictures))
        return soft_toy(pictures)

    whole = soft_toy(PICTURE[np.newaxis])[0, classes]
    found = faithfulness(PICTURE, maps, classes, whole=whole, probabilities=counted)

    alone = [judged(map_, soft_toy, class_=c) for map_, c in zip(maps, classes, strict=True)]
    assert found == alone
    assert sum(batches) == forward_passes(4) == 1 + 15 * 4
    assert batches == [32, 29]


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, np.nan, np.inf])
def test_a_map_without_an_order_is_not_judged_and_costs_nothing(value: float) -> None:
    def forbidden(pictures: np.ndarray) -> np.ndarray:
        raise AssertionError(len(pictures))

    maps = np.full((2, CELLS, CELLS), value, np.float32)
    if not np.isfinite(value):
        maps[1, 0] = [1, 2, 3, 4]
    found = faithfulness(PICTURE, maps, [0, 0], whole=[0.5, 0.5], probabilities=forbidden)
    assert found == [TrustScores(), TrustScores()]


def chance(value: float, **others: Any) -> TrustScores:
    return TrustScores(insertion=value, deletion=value, **others)


@pytest.mark.parametrize(
    ("constant", "expected"),
    [
        (1.0, chance(1.0, drop=0.0, increase=False, times_better_than_chance=1.0)),
        (0.0, chance(0.0, increase=False)),
        (np.nan, TrustScores()),
    ],
)
def test_a_probability_that_nothing_moves_is_chance_or_says_nothing(
    constant: float, expected: TrustScores
) -> None:
    found = judged(MARKED.astype(np.float32), lambda p: np.full((len(p), 1), constant))
    assert found == expected


def test_a_map_of_nothing_but_counter_evidence_has_an_order_but_no_evidence_to_show() -> None:
    found = judged(pixel_map(MARKED) - 2)
    assert found.insertion == pytest.approx(6.5 / 8)
    assert (found.drop, found.increase) == (None, None)


def test_the_ratio_is_the_geometric_mean_of_both_gains() -> None:
    assert times_better_than_chance(0.8, 0.2) == pytest.approx(2)
    assert times_better_than_chance(0.3, 0.3) == 1
    assert times_better_than_chance(0.3, 0.0) is None
    assert times_better_than_chance(0.0, 0.3) is None


def test_an_area_counts_both_ends_by_half() -> None:
    assert area(np.array([0, 1, 1, 1, 1, 1, 1, 1, 1.0])) == pytest.approx(7.5 / 8)
    assert area(np.linspace(0, 1, 9)) == pytest.approx(0.5)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(-3, 3).map(float),
    )
)
def test_each_step_brings_in_as_much_as_the_one_before_highest_first(heat: np.ndarray) -> None:
    before = np.zeros_like(heat)
    for step, there in enumerate(shares(heat), start=1):
        assert there.sum() == pytest.approx(heat.size * step / STEPS, rel=1e-5)
        assert (there >= before - 1e-6).all()
        assert (there <= 1 + 1e-6).all()
        partly = heat[(there > 1e-6) & (there < 1 - 1e-6)]
        assert len(np.unique(partly)) <= 1
        if partly.size:
            assert (there[heat > partly[0]] >= 1 - 1e-6).all()
            assert (there[heat < partly[0]] == 0).all()
        before = there


def test_a_map_is_interpolated_whatever_its_magnitude() -> None:
    for peak in (1e38, 1e-38):
        heat = stretched(np.array([[0, peak], [peak, 0]], np.float32), 4, 4)
        assert np.isfinite(heat).all()
        assert heat[0].tolist() == [0, 0.25, 0.75, 1]


def test_the_blur_keeps_the_mean_and_leaves_nothing_sharp() -> None:
    blurred = blur(PICTURE)
    assert blurred.shape == PICTURE.shape
    assert blurred.mean() == pytest.approx(PICTURE.mean(), abs=0.05)
    flat = np.full((SIDE_PX, SIDE_PX, 3), 2.5, np.float32)
    np.testing.assert_allclose(blur(flat), flat, rtol=1e-6)
    fine = np.abs(np.diff(blur(PICTURE), axis=1)).max()
    assert fine < 0.1 * np.abs(np.diff(PICTURE, axis=1)).max()


def test_no_set_of_random_maps_is_needed_for_the_average_of_chance_is_one() -> None:
    generator = np.random.default_rng(2)
    maps = generator.standard_normal((10, CELLS, CELLS)).astype(np.float32)
    ratios = [judged(map_, soft_toy).times_better_than_chance for map_ in (*maps, *-maps)]
    assert np.exp(np.mean(np.log(ratios))) == pytest.approx(1)
