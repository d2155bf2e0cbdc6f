"""Grad-CAM's formula, against values computed by hand."""

import numpy as np

from seewhy_worker.cam.layer.gradcam import gradcam
from seewhy_worker.cam.methods import find_method

ACTIVATION = np.array([[[[1.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [2.0, 4.0]]]], np.float32)
GRADIENT = np.array([[[[1.0, -4.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]]]], np.float32)


def test_the_map_is_the_sum_of_channels_weighted_by_their_mean_gradient() -> None:
    # Channel weights: (1 + 0 + 0 + 3) / 4 = 1 and (-4) / 4 = -1.
    assert gradcam(ACTIVATION, GRADIENT, xp=np).tolist() == [[[-1.0, 3.0], [-1.0, -2.0]]]


def test_negative_evidence_is_kept() -> None:
    assert gradcam(ACTIVATION, GRADIENT, xp=np).min() == -2.0


def test_the_difference_of_two_maps_is_the_map_of_the_score_difference() -> None:
    other = GRADIENT[:, ::-1] * 0.5
    difference = gradcam(ACTIVATION, GRADIENT, xp=np) - gradcam(ACTIVATION, other, xp=np)
    np.testing.assert_allclose(difference, gradcam(ACTIVATION, GRADIENT - other, xp=np))
    assert find_method("gradcam").linear


def test_rows_are_independent() -> None:
    activation = np.concatenate([ACTIVATION, 2 * ACTIVATION])
    gradient = np.concatenate([GRADIENT, -GRADIENT])
    first, second = gradcam(activation, gradient, xp=np)
    np.testing.assert_array_equal(second, -2 * first)
