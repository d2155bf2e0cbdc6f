"""The memory of this process, and how it is given back."""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

_RESIDENT_PAGES = 1
"""The place of the resident pages among the numbers of `statm` (proc_pid_statm(5))."""


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 if unknown."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[_RESIDENT_PAGES]
    except OSError:  # not Linux
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def release_memory() -> None:
    """Free what nothing refers to any more, and give it back to the system where that is possible.

    Models are freed by the garbage collector, because their layers refer to each other.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # macOS and musl have no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
