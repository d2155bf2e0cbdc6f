"""Faithfulness scores: values by hand on a toy network, and properties."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optionals import present
from seewhy.schemas.passes import FAITHFULNESS_STEPS, faithfulness_passes
from seewhy.schemas.trust_scores import TrustScores
from seewhy_worker.explain.faithfulness import (
    MAX_BATCH,
    area_under_curve,
    blur,
    faithfulness,
    resize_map,
    times_better_than_chance,
    visible_fractions,
)

SIDE_PX = 16
CELLS = 4
ArrayFunction = Callable[[np.ndarray], np.ndarray]
IMAGE = np.random.default_rng(3).standard_normal((SIDE_PX, SIDE_PX, 3)).astype(np.float32)
MARKED = np.zeros((CELLS, CELLS), bool)
MARKED[1:3, 2:] = True
"""The cells that the toy network looks at, a quarter of the image."""

distinct_maps = st.permutations(range(SIDE_PX * SIDE_PX)).map(
    lambda order: (np.array(order, np.float32) - 100).reshape(SIDE_PX, SIDE_PX)
)
small_maps = arrays.arrays(
    np.float32, (CELLS, CELLS), elements=st.integers(-5, 5).map(float)
).filter(lambda signed: signed.min() < signed.max())


def toy(images: np.ndarray) -> np.ndarray:
    """Return the fraction of marked pixels equal to the image's as class 0; class 1 is the rest."""
    assert len(images) <= MAX_BATCH
    marked = np.kron(MARKED, np.ones((CELLS, CELLS), bool))
    unchanged = np.abs(images - IMAGE).max(axis=3) < 1e-4
    fraction = unchanged[:, marked].mean(axis=1)
    return np.stack([fraction, 1 - fraction], axis=1)


def soft_toy(images: np.ndarray) -> np.ndarray:
    """Return a smooth function of all pixels, for two classes."""
    weights = np.random.default_rng(5).standard_normal(SIDE_PX * SIDE_PX * 3)
    score = 1 / (1 + np.exp(-(images.reshape(len(images), -1) @ weights) / 10))
    return np.stack([score, 1 - score], axis=1)


def scores_of(map_: np.ndarray, score: ArrayFunction = toy, *, class_: int = 0) -> TrustScores:
    (found,) = faithfulness(
        IMAGE,
        map_[np.newaxis].astype(np.float32),
        [class_],
        baseline=score(IMAGE[np.newaxis])[0, [class_]].tolist(),
        probabilities=score,
    )
    return found


def ratio(scores: TrustScores) -> float:
    return present(scores.times_better_than_chance)


def pixel_map(cells: np.ndarray) -> np.ndarray:
    """Enlarge to the image's resolution, so that nothing is interpolated."""
    return np.kron(cells, np.ones((CELLS, CELLS), np.float32))


def test_a_map_of_exactly_the_marked_cells_by_hand() -> None:
    found = scores_of(pixel_map(MARKED))
    # A quarter is marked, so 2 of 8 steps make all of it visible. After one step its pixels are
    # half visible, which the toy does not count.
    assert found.insertion == pytest.approx((0 / 2 + 0 + 6 * 1 + 1 / 2) / 8)
    assert found.deletion == pytest.approx((1 / 2 + 0) / 8)
    assert found.times_better_than_chance == pytest.approx(np.sqrt(6.5 / 0.5))
    assert found.drop == 0
    assert found.increase is False


def test_a_map_of_half_of_the_marked_cells_by_hand() -> None:
    half = MARKED.copy()
    half[2] = False
    found = scores_of(pixel_map(half))
    assert found.insertion == pytest.approx((0 + 0.5 * 7 + 1 / 2) / 8)
    assert found.deletion == pytest.approx((1 / 2 + 0.5 * 1 + 0) / 8)
    assert found.drop == pytest.approx(0.5)


def test_negative_values_are_hidden_when_the_evidence_is_shown() -> None:
    found = scores_of(pixel_map(MARKED - 2.0 * ~MARKED))
    assert found.drop == 0
    assert scores_of(pixel_map(~MARKED - 2.0 * MARKED)).drop == 1


def test_the_evidence_alone_can_raise_the_probability() -> None:
    found = scores_of(pixel_map(~MARKED), class_=1)
    assert found.increase is True
    assert found.drop is None


def test_the_right_map_scores_better_than_its_negative_and_noise() -> None:
    right = scores_of(MARKED.astype(np.float32))
    noise = np.random.default_rng(8).standard_normal((20, CELLS, CELLS))
    for other in (scores_of(-MARKED.astype(np.float32)), *map(scores_of, noise)):
        assert present(right.insertion) > present(other.insertion)
        assert present(right.deletion) < present(other.deletion)
        assert ratio(right) > 1.5 * ratio(other)


@given(distinct_maps)
def test_insertion_of_a_map_equals_deletion_of_its_negative(map_: np.ndarray) -> None:
    one, other = scores_of(map_, soft_toy), scores_of(-map_, soft_toy)
    assert one.insertion == pytest.approx(other.deletion)
    assert one.deletion == pytest.approx(other.insertion)
    assert ratio(one) * ratio(other) == pytest.approx(1)


@given(small_maps)
def test_the_symmetry_holds_for_maps_with_ties(map_: np.ndarray) -> None:
    one, other = scores_of(map_, soft_toy), scores_of(-map_, soft_toy)
    assert one.insertion == pytest.approx(other.deletion)
    assert ratio(one) * ratio(other) == pytest.approx(1)


@given(small_maps, st.sampled_from([np.arctan, np.cbrt, lambda v: v**3 + v, lambda v: 2 * v - 7]))
def test_scores_depend_on_the_order_of_the_pixels_only(
    map_: np.ndarray, rising: ArrayFunction
) -> None:
    one = scores_of(pixel_map(map_), soft_toy)
    other = scores_of(pixel_map(rising(map_)), soft_toy)
    assert other.insertion == pytest.approx(one.insertion)
    assert other.deletion == pytest.approx(one.deletion)


@given(small_maps, st.integers(-100, 100))
def test_the_scale_of_a_map_does_not_change_its_scores(map_: np.ndarray, power: int) -> None:
    # Powers of two are exact, so ties stay ties.
    assert scores_of(map_ * np.float32(2.0**power), soft_toy) == scores_of(map_, soft_toy)


def test_the_maps_of_one_image_are_scored_independently() -> None:
    maps = np.random.default_rng(1).standard_normal((5, CELLS, CELLS)).astype(np.float32)
    maps[2] = np.nan
    classes = [0, 1, 0, 1, 1]
    batches: list[int] = []

    def counted(images: np.ndarray) -> np.ndarray:
        batches.append(len(images))
        return soft_toy(images)

    baseline = soft_toy(IMAGE[np.newaxis])[0, classes].tolist()
    found = faithfulness(IMAGE, maps, classes, baseline=baseline, probabilities=counted)

    alone = [scores_of(map_, soft_toy, class_=c) for map_, c in zip(maps, classes, strict=True)]
    assert found == alone
    assert sum(batches) == faithfulness_passes(4) == 1 + 15 * 4
    assert batches == [32, 29]


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, np.nan, np.inf])
def test_a_constant_or_non_finite_map_has_no_scores_and_costs_no_pass(value: float) -> None:
    def forbidden(images: np.ndarray) -> np.ndarray:
        raise AssertionError(len(images))

    maps = np.full((2, CELLS, CELLS), value, np.float32)
    if not np.isfinite(value):
        maps[1, 0] = [1, 2, 3, 4]
    found = faithfulness(IMAGE, maps, [0, 0], baseline=[0.5, 0.5], probabilities=forbidden)
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
def test_a_constant_probability_scores_as_chance_or_not_at_all(
    constant: float, expected: TrustScores
) -> None:
    found = scores_of(MARKED.astype(np.float32), lambda p: np.full((len(p), 1), constant))
    assert found == expected


def test_a_map_without_positive_values_has_no_drop_and_no_increase() -> None:
    found = scores_of(pixel_map(MARKED) - 2)
    assert found.insertion == pytest.approx(6.5 / 8)
    assert (found.drop, found.increase) == (None, None)


def test_the_ratio_is_the_square_root_of_insertion_over_deletion() -> None:
    assert times_better_than_chance(0.8, 0.2) == pytest.approx(2)
    assert times_better_than_chance(0.3, 0.3) == 1
    assert times_better_than_chance(0.3, 0.0) is None
    assert times_better_than_chance(0.0, 0.3) is None


def test_the_area_weighs_both_ends_by_half() -> None:
    assert area_under_curve(np.array([0, 1, 1, 1, 1, 1, 1, 1, 1.0])) == pytest.approx(7.5 / 8)
    assert area_under_curve(np.linspace(0, 1, 9)) == pytest.approx(0.5)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(-3, 3).map(float),
    )
)
def test_each_step_reveals_the_same_amount_highest_values_first(heat: np.ndarray) -> None:
    before = np.zeros_like(heat)
    for step, visible in enumerate(visible_fractions(heat), start=1):
        assert visible.sum() == pytest.approx(heat.size * step / FAITHFULNESS_STEPS, rel=1e-5)
        assert (visible >= before - 1e-6).all()
        assert (visible <= 1 + 1e-6).all()
        partly = heat[(visible > 1e-6) & (visible < 1 - 1e-6)]
        assert len(np.unique(partly)) <= 1
        if partly.size:
            assert (visible[heat > partly[0]] >= 1 - 1e-6).all()
            assert (visible[heat < partly[0]] == 0).all()
        before = visible


def test_resizing_works_for_maps_of_any_magnitude() -> None:
    for peak in (1e38, 1e-38):
        heat = resize_map(np.array([[0, peak], [peak, 0]], np.float32), 4, 4)
        assert np.isfinite(heat).all()
        assert heat[0].tolist() == [0, 0.25, 0.75, 1]


def test_the_blur_keeps_the_mean_and_removes_detail() -> None:
    blurred = blur(IMAGE)
    assert blurred.shape == IMAGE.shape
    assert blurred.mean() == pytest.approx(IMAGE.mean(), abs=0.05)
    flat = np.full((SIDE_PX, SIDE_PX, 3), 2.5, np.float32)
    np.testing.assert_allclose(blur(flat), flat, rtol=1e-6)
    fine = np.abs(np.diff(blur(IMAGE), axis=1)).max()
    assert fine < 0.1 * np.abs(np.diff(IMAGE, axis=1)).max()


def test_random_maps_average_one_times_chance() -> None:
    generator = np.random.default_rng(2)
    maps = generator.standard_normal((10, CELLS, CELLS)).astype(np.float32)
    ratios = [ratio(scores_of(map_, soft_toy)) for map_ in (*maps, *-maps)]
    assert np.exp(np.mean(np.log(ratios))) == pytest.approx(1)
