"""Measure which batch a device needs to be busy."""

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Mapping

from seewhy.errors import OutOfMemory

_log = logging.getLogger(__name__)

SHARE_OF_BEST = 0.95
"""The smallest batch with this share of the best pace is chosen: larger ones take longer to fill
and to end, and more memory."""
LEAST_RUNS = 3
MEASURING_S = 0.3
"""A batch size is measured for this long, and for `LEAST_RUNS` runs."""


def measure_batches(run: Callable[[int], object], sizes: Iterable[int]) -> dict[int, float]:
    """Return the images per second of `run` for each batch size, smallest first.

    A size that runs out of memory is the last one that is tried. Raises `OutOfMemory` if that is
    the first.
    """
    paces: dict[int, float] = {}
    for size in sizes:
        try:
            run(size)  # compile
            paces[size] = size / _median_s(run, size)
        except OutOfMemory as error:
            if not paces:
                raise
            _log.info("Batches of %d do not fit: %s", size, error)
            break
    return paces


def smallest_fast_batch(paces: Mapping[int, float]) -> int:
    """Return the smallest batch whose pace is about that of the best."""
    least = SHARE_OF_BEST * max(paces.values())
    return min(size for size, pace in paces.items() if pace >= least)


def _median_s(run: Callable[[int], object], size: int) -> float:
    times_s: list[float] = []
    while len(times_s) < LEAST_RUNS or sum(times_s) < MEASURING_S:
        started_s = time.perf_counter()
        run(size)
        times_s.append(time.perf_counter() - started_s)
    return statistics.median(times_s)
