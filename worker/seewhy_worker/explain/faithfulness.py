"""Faithfulness: whether the class probability follows the pixels that a map marks.

Each map is tested on its own image. Insertion adds pixels to a blurred image, deletion replaces
pixels by blurred ones, both in the order of the map, while the probability of the class is
recorded. A flat color as replacement would add edges. Both directions use the same blurred image,
so insertion by a map equals deletion by its negative, and chance needs no measurement; see
`times_better_than_chance`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.passes import FAITHFULNESS_STEPS, IMAGES_PER_MAP
from seewhy.schemas.trust_scores import TrustScores

Pixels = NDArray[np.float32]
Curve = NDArray[np.float64]

MAX_BATCH = 32
"""The most images passed to `probabilities` together."""
_BLUR_SIGMA = 1 / 8
"""Standard deviation of the blur, as a fraction of the image's shorter side."""


def faithfulness(
    pixels: Pixels,
    maps: NDArray[np.float32],
    classes: Sequence[int],
    *,
    baseline: Sequence[float],
    probabilities: Callable[[Pixels], NDArray[np.float64]],
) -> list[TrustScores]:
    """Test each target's signed map (K, h, w) on the network's input (H, W, 3).

    `baseline` is the probability of each target's class for the unchanged image. `probabilities`
    maps images (M, H, W, 3), M ≤ `MAX_BATCH`, to (M, classes); it receives
    `faithfulness_passes(K)` images in as few calls as possible. A constant or non-finite map has no
    order to test: its scores are None, and it costs no forward pass.
    """
    ranked = [index for index, map_ in enumerate(maps) if _has_order(map_)]
    scores = [TrustScores()] * len(maps)
    if not ranked:
        return scores
    images = _perturbed_images(pixels, blur(pixels), [maps[index] for index in ranked])
    predicted = np.concatenate([probabilities(batch) for batch in _batches(images)])
    for position, index in enumerate(ranked):
        start = 1 + position * IMAGES_PER_MAP
        rows = [0, *range(start, start + IMAGES_PER_MAP)]
        scores[index] = _score(
            predicted[rows, classes[index]],
            baseline=float(baseline[index]),
            has_evidence=bool(maps[index].max() > 0),
        )
    return scores


def blur(pixels: Pixels) -> Pixels:
    """Blur an image (H, W, channels) until only a coarse layout of its colors is left."""
    sigma_px = _BLUR_SIGMA * min(pixels.shape[:2])
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101)
    # OpenCV drops the axis of a single channel.
    return np.asarray(blurred, np.float32).reshape(pixels.shape)


def resize_map(map_: NDArray[np.float32], height_px: int, width_px: int) -> NDArray[np.float32]:
    """Interpolate a map (h, w) bilinearly to (height_px, width_px), as rendering does.

    The map is first scaled to a largest magnitude of 1, so that interpolation neither overflows
    nor underflows.
    """
    peak = np.abs(map_).max()
    scaled = (map_.astype(np.float64) / (peak or 1)).astype(np.float32)
    return np.asarray(
        cv2.resize(scaled, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32
    )


def visible_fractions(heat: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield how much of each pixel (H, W) is visible after each step except the first and last.

    After step k, k / `FAITHFULNESS_STEPS` of the image is visible, starting with the highest
    values. Pixels of equal value that do not all fit are partly visible, so that ties get no
    arbitrary order.
    """
    ordered = np.sort(heat, axis=None)[::-1]
    for step in range(1, FAITHFULNESS_STEPS):
        visible = heat.size * step / FAITHFULNESS_STEPS
        threshold = ordered[int(np.ceil(visible)) - 1]
        above, equal = heat > threshold, heat == threshold
        fraction = (visible - above.sum()) / equal.sum()
        yield above + equal * np.float32(fraction)


def area_under_curve(curve: Curve) -> float:
    """Integrate evenly spaced values over 0 … 1 by the trapezoidal rule."""
    return float((curve[0] / 2 + curve[1:-1].sum() + curve[-1] / 2) / (len(curve) - 1))


def times_better_than_chance(insertion: float, deletion: float) -> float | None:
    """Return √(insertion / chance's insertion · chance's deletion / deletion); 1 is chance.

    Chance is a random map. The negative of a random map is also random, and its insertion is the
    map's deletion. So the geometric means of chance's insertion and deletion are equal and cancel.
    None if an area is 0.
    """
    if not (insertion > 0 and deletion > 0):
        return None
    return float(np.sqrt(insertion / deletion))


def _has_order(map_: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(map_).all() and map_.min() < map_.max())


def _perturbed_images(
    pixels: Pixels, blurred: Pixels, maps: Sequence[NDArray[np.float32]]
) -> Iterator[Pixels]:
    """Yield the blurred image, then for each map insertion and deletion in turn, and evidence."""
    yield blurred
    difference = pixels - blurred
    for map_ in maps:
        heat = resize_map(map_, *pixels.shape[:2])
        for visible in visible_fractions(heat):
            yield blurred + visible[..., np.newaxis] * difference
            yield pixels - visible[..., np.newaxis] * difference
        yield pixels * _opacity(heat)[..., np.newaxis]


def _opacity(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    evidence = np.maximum(heat, 0)
    return np.asarray(evidence / (evidence.max() or 1), np.float32)


def _batches(images: Iterator[Pixels]) -> Iterator[Pixels]:
    while batch := list(islice(images, MAX_BATCH)):
        yield np.stack(batch)


def _score(predicted: Curve, *, baseline: float, has_evidence: bool) -> TrustScores:
    """Score one map from its class's probabilities, in the order of `_perturbed_images`."""
    if not (np.isfinite(predicted).all() and np.isfinite(baseline)):
        return TrustScores()
    blurred, *steps, evidence = predicted.tolist()
    insertion = area_under_curve(np.array([blurred, *steps[0::2], baseline]))
    deletion = area_under_curve(np.array([baseline, *steps[1::2], blurred]))
    comparable = has_evidence and baseline > 0
    return TrustScores(
        insertion=insertion,
        deletion=deletion,
        drop=max(0.0, baseline - evidence) / baseline if comparable else None,
        increase=evidence > baseline if has_evidence else None,
        times_better_than_chance=times_better_than_chance(insertion, deletion),
    )
