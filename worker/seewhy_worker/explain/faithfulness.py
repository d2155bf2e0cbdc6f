"""Faithfulness: does the score follow the pixels that a map marks?

A map is put to the test on its own picture. Pixels are brought in, or taken away, in the order of
the map, and the class's probability is watched. What is not (or no longer) there is shown as the
heavily blurred picture, in both directions: a flat colour would add edges, and with one stand-in
for both, bringing in by a map is taking away by its negative read backwards, so that chance needs
no measuring. See `times_better_than_chance`, and docs/trust.md for what was compared.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.trust_scores import TrustScores

Pixels = NDArray[np.float32]
Curve = NDArray[np.float64]

STEPS = 8
AT_ONCE = 32
"""Pictures handed over to be scored together, at most."""
_BLUR = 1 / 8
"""The blur's standard deviation, as a part of the picture's shorter side."""
_PER_MAP = 2 * (STEPS - 1) + 1


def forward_passes(targets: int) -> int:
    """How many pictures are scored for one explained picture with so many targets."""
    return 1 + _PER_MAP * targets


def faithfulness(
    pixels: Pixels,
    maps: NDArray[np.float32],
    classes: Sequence[int],
    *,
    whole: Sequence[float],
    probabilities: Callable[[Pixels], NDArray[np.float64]],
) -> list[TrustScores]:
    """Put each target's map (K, h, w), signed, to the test on the network's input (H, W, 3).

    `whole` is what each target's class has of probability on the picture as it is, and
    `probabilities` scores pictures (M, H, W, 3), M ≤ `AT_ONCE`, as (M, classes). It is called for
    `forward_passes(K)` pictures in all, as few times as that allows; a map that is constant or
    not finite has nothing to test, and costs nothing.
    """
    places = [place for place, map_ in enumerate(maps) if _has_an_order(map_)]
    found = [TrustScores()] * len(maps)
    if not places:
        return found
    blurred = blur(pixels)
    pictures = _pictures(pixels, blurred, [maps[place] for place in places])
    scored = np.concatenate([probabilities(batch) for batch in _batches(pictures)])
    for row, place in enumerate(places):
        start = 1 + row * _PER_MAP
        own = scored[[0, *range(start, start + _PER_MAP)], classes[place]]
        found[place] = _judge(own, float(whole[place]), shows_evidence=bool(maps[place].max() > 0))
    return found


def blur(pixels: Pixels) -> Pixels:
    """Blur a picture (H, W, 3) until only its colours' rough places are left."""
    spread_px = _BLUR * min(pixels.shape[:2])
    return np.asarray(
        cv2.GaussianBlur(pixels, (0, 0), spread_px, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def stretched(map_: NDArray[np.float32], height_px: int, width_px: int) -> NDArray[np.float32]:
    """Interpolate a map (h, w) bilinearly to (height_px, width_px), as it is drawn.

    It is scaled to magnitudes of 1 first, so that no number is too large or small to interpolate.
    """
    peak = np.abs(map_).max()
    scaled = (map_.astype(np.float64) / (peak or 1)).astype(np.float32)
    return np.asarray(
        cv2.resize(scaled, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32
    )


def shares(heat: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Say how much of each pixel (H, W) is there after each step but the first and the last.

    After step k of `STEPS`, k / `STEPS` of the picture is there: the pixels with the highest
    values. Of pixels with one value that do not all have room, each is there in part, so that no
    order is made up where the map has none.
    """
    ordered = np.sort(heat, axis=None)[::-1]
    for step in range(1, STEPS):
        room = heat.size * step / STEPS
        last = ordered[int(np.ceil(room)) - 1]
        above, level = heat > last, heat == last
        part = (room - above.sum()) / level.sum()
        yield above + level * np.float32(part)


def area(curve: Curve) -> float:
    """Return the area under evenly spaced values, the first and the last included, by trapezia."""
    return float((curve[0] / 2 + curve[1:-1].sum() + curve[-1] / 2) / (len(curve) - 1))


def times_better_than_chance(insertion: float, deletion: float) -> float | None:
    """Return √(insertion ÷ chance's · chance's ÷ deletion): 1 is chance, its inverse the worst.

    Chance is random maps, and the negative of a random map is one as well. Its insertion is the
    map's deletion, so over each such pair, and over all random maps, the geometric means of
    chance's insertion and deletion are equal, and fall out. None where an area is 0.
    """
    if not (insertion > 0 and deletion > 0):
        return None
    return float(np.sqrt(insertion / deletion))


def _has_an_order(map_: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(map_).all() and map_.min() < map_.max())


def _pictures(
    pixels: Pixels, blurred: Pixels, maps: Sequence[NDArray[np.float32]]
) -> Iterator[Pixels]:
    """Make the pictures to be scored, in the order that `_judge` reads."""
    yield blurred
    difference = pixels - blurred
    for map_ in maps:
        heat = stretched(map_, *pixels.shape[:2])
        for there in shares(heat):
            yield blurred + there[..., np.newaxis] * difference
            yield pixels - there[..., np.newaxis] * difference
        yield pixels * _opacity(heat)[..., np.newaxis]


def _opacity(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    evidence = np.maximum(heat, 0)
    return np.asarray(evidence / (evidence.max() or 1), np.float32)


def _batches(pictures: Iterator[Pixels]) -> Iterator[Pixels]:
    while batch := list(islice(pictures, AT_ONCE)):
        yield np.stack(batch)


def _judge(scored: Curve, whole: float, *, shows_evidence: bool) -> TrustScores:
    """Read the probabilities of one class, in the order of `_pictures`."""
    if not (np.isfinite(scored).all() and np.isfinite(whole)):
        return TrustScores()
    blurred, *steps, evidence = scored.tolist()
    insertion = area(np.array([blurred, *steps[0::2], whole]))
    deletion = area(np.array([whole, *steps[1::2], blurred]))
    comparable = shows_evidence and whole > 0
    return TrustScores(
        insertion=insertion,
        deletion=deletion,
        drop=max(0.0, whole - evidence) / whole if comparable else None,
        increase=evidence > whole if shows_evidence else None,
        times_better_than_chance=times_better_than_chance(insertion, deletion),
    )
