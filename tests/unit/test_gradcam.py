"""The formula, against numbers worked out by hand."""

import numpy as np
import pytest

from seewhy.errors import UnknownMethod
from seewhy.schemas.methods import METHODS
from seewhy_worker.cam.gradcam import gradcam
from seewhy_worker.cam.methods import find_method

ACTIVATION = np.array([[[[1.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [2.0, 4.0]]]], np.float32)
GRADIENT = np.array([[[[1.0, -4.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]]]], np.float32)


def test_the_map_is_the_sum_of_channels_weighted_by_their_mean_gradient() -> None:
    # Channel weights: (1 + 0 + 0 + 3) / 4 = 1 and (-4) / 4 = -1.
    assert gradcam(ACTIVATION, GRADIENT, xp=np).tolist() == [[[-1.0, 3.0], [-1.0, -2.0]]]


def test_negative_evidence_is_kept() -> None:
    assert gradcam(ACTIVATION, GRADIENT, xp=np).min() == -2.0


def test_maps_of_two_scores_subtract_to_the_map_of_their_difference() -> None:
    other = GRADIENT[:, ::-1] * 0.5
    difference = gradcam(ACTIVATION, GRADIENT, xp=np) - gradcam(ACTIVATION, other, xp=np)
    np.testing.assert_allclose(difference, gradcam(ACTIVATION, GRADIENT - other, xp=np))
    assert find_method("gradcam").linear


def test_each_row_is_mapped_by_itself() -> None:
    activation = np.concatenate([ACTIVATION, 2 * ACTIVATION])
    gradient = np.concatenate([GRADIENT, -GRADIENT])
    first, second = gradcam(activation, gradient, xp=np)
    np.testing.assert_array_equal(second, -2 * first)


def test_every_method_a_client_may_ask_for_exists() -> None:
    assert [find_method(name).name for name in METHODS] == list(METHODS)


def test_an_unknown_method_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(UnknownMethod, match="gradcam"):
        find_method("gradcm")
