"""Process-wide settings of the libraries underneath, each with the figure that earned it.

CPU per 640 x 427 JPEG on one core, fetched, decoded, drawn and written: 11.0 ms as the libraries
come, 6.3 ms with both (benchmarks/path.py shows the whole).
"""

import contextlib
import ctypes

import cv2

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_OVER_BYTES = 32 << 20
_TRIM_OVER_BYTES = 256 << 20


def tune_process() -> None:
    """Set them. Call once, before the first picture."""
    # Batches already run side by side: OpenCV's own threads only add their hand-overs.
    cv2.setNumThreads(1)
    # glibc gives each freed picture back to the kernel, which hands out zeroed pages for the next.
    # Elsewhere (macOS, musl) there is no mallopt, and no such cost.
    with contextlib.suppress(OSError, AttributeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_M_MMAP_THRESHOLD, _MMAP_OVER_BYTES)
        allocator.mallopt(_M_TRIM_THRESHOLD, _TRIM_OVER_BYTES)
