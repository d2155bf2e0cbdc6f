"""The protocol between a contender and `comparison.py`: JSON lines on standard input and output.

A request `{"batch": 8, "classes": 5}`, for seewhy also with `"method"`, asks to explain so many
images for so many classes each, once. The response `{"seconds": 1.25, "peak_bytes": 1500000000}`
holds the time of this run and the peak memory since the network was built, or, on systems that
cannot reset the peak, since the process started. The first request of a case also compiles it,
outside the measured time.
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYER = "block5_conv3"
Run = Callable[[], Any]


def random_pixels(batch: int) -> NDArray[np.float32]:
    """Return random images (batch, 224, 224, 3) in the range of VGG16's preprocessing."""
    return np.random.default_rng(0).normal(0, 60, (batch, 224, 224, 3)).astype(np.float32)


def serve(prepare_run: Callable[..., Run]) -> None:
    """Respond until the input ends. `prepare_run(batch, classes, …)` returns a function to time."""
    # Libraries print to standard output; redirect them to standard error.
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cached_run = lru_cache(maxsize=None)(prepare_run)
    with contextlib.suppress(OSError):
        # Resets the peak on Linux: proc(5), clear_refs.
        Path("/proc/self/clear_refs").write_text("5")
    for line in sys.stdin:
        run = cached_run(**json.loads(line))
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes()}), file=responses)
        responses.flush()


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
