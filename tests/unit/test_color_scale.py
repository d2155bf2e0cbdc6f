"""The color scale makes the maps of an image comparable."""

from collections.abc import Sequence

import numpy as np
import pytest

from seewhy.imaging.maps import Polarity
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.schemas.methods import METHOD_INFO, Normalization
from seewhy.schemas.result import ClassScore, TargetResult, Verdict

SIGNED = np.array([[-2, 0, 1], [3, -4, 0]], np.float32)
SCORE = ClassScore(index=0, label="cat", logit=1, probability=0.5)
PLAIN = TargetResult(score=SCORE, verdict=Verdict.OK, minimum=0, maximum=1)
CONTRAST = PLAIN.model_copy(update={"rivals": (SCORE,)})
AGAINST = PLAIN.model_copy(update={"against": True})


def scale(
    maps: np.ndarray,
    chosen: int = 0,
    *,
    targets: Sequence[TargetResult] | None = None,
    method: str = "gradcam",
    polarity: Polarity = "positive",
    normalize: Normalization = "image",
) -> float:
    return color_scale(
        maps.astype(np.float32),
        chosen,
        targets=targets or [PLAIN] * len(maps),
        method=method,
        polarity=polarity,
        normalize=normalize,
    )


def test_all_classes_of_an_image_share_one_scale() -> None:
    maps = np.stack([SIGNED, SIGNED / 2])
    for chosen in (0, 1):
        assert scale(maps, chosen) == 3
        assert scale(maps, chosen, polarity="negative") == 4
        assert scale(maps, chosen, polarity="signed") == 4
    assert scale(-np.abs(maps)) == 0
    assert scale(np.full((1, 2, 2), np.nan), polarity="signed") == 0


def test_contrasts_and_counter_evidence_share_another_scale() -> None:
    maps = np.stack([SIGNED, SIGNED / 10, SIGNED / 100])
    targets = [PLAIN, CONTRAST, AGAINST]
    found = [scale(maps, chosen, targets=targets) for chosen in range(3)]
    assert found == pytest.approx([3, 0.3, 0.3])


def test_the_scale_is_the_maximum_of_the_image_unless_fixed() -> None:
    maps = np.stack([SIGNED, 2 * SIGNED])
    assert scale(maps) == 6
    assert scale(maps, polarity="negative", normalize="image") == 8
    assert scale(maps, normalize="none") == 1
    assert scale(maps, normalize=0.5) == 0.5


@pytest.mark.parametrize("method", [name for name, info in METHOD_INFO.items() if info.pixel_level])
def test_outliers_do_not_set_the_scale_of_a_pixel_level_map(method: str) -> None:
    pixels = np.ones((1, 100, 100), np.float32)
    pixels[0, :5, 0] = 1000
    assert scale(pixels, method=method) == 1
    assert scale(pixels) == 1000
