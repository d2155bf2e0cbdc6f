"""The structure of an image: the share of its variance that lies between its tiles."""

import numpy as np
import pytest
from numpy.typing import NDArray

from images import gradient
from seewhy.imaging.structure import structure

RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("level", [0, 1 / 3, 255])
def test_a_flat_color_has_none(level: float) -> None:
    assert structure(np.full((224, 224, 3), level, np.float32)) == 0


@pytest.mark.parametrize(
    "noise",
    [
        RANDOM.normal(90, 20, (224, 224, 3)),
        RANDOM.uniform(0, 255, (224, 224, 3)),
        RANDOM.integers(0, 2, (224, 224, 1)).repeat(3, 2),
    ],
)
def test_noise_has_as_much_as_a_tile_has_fewer_pixels(noise: NDArray[np.float64]) -> None:
    assert structure(noise.astype(np.float32)) == pytest.approx(1 / 14**2, rel=0.25)


def test_what_is_coarser_than_a_tile_is_structure() -> None:
    assert structure(np.asarray(gradient(224, 224), np.float32)) > 0.99
    tiles = RANDOM.uniform(0, 255, (16, 16, 3)).repeat(14, 0).repeat(14, 1)
    assert structure(tiles.astype(np.float32)) == pytest.approx(1)
    stripes = np.zeros((224, 224, 3), np.float32)
    stripes[:, ::2] = 1
    assert structure(stripes) == pytest.approx(0)


def test_the_unit_of_the_pixels_does_not_matter() -> None:
    photo = RANDOM.normal(np.asarray(gradient(300, 260)), 60).astype(np.float32)
    scaled = structure(((photo - 127) / 128).astype(np.float32))
    assert 0.2 < scaled < 0.9
    assert structure(photo) == pytest.approx(scaled, abs=1e-6)
    assert structure(photo[..., ::-1]) == pytest.approx(scaled, abs=1e-6)


def test_an_image_of_fewer_pixels_than_tiles_is_all_structure() -> None:
    assert structure(RANDOM.uniform(0, 1, (7, 5, 3)).astype(np.float32)) == 1
