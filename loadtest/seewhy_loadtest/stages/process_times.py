"""The processor time of the processes that this one has started, such as a temporary service."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import psutil

_NAMES = {
    "seewhy_api.webhooks": "dispatcher",
    "seewhy_api": "API",
    "seewhy_worker": "worker",
    "valkey": "Valkey",
}
"""A part of the command line → the name in a report. The first that fits counts."""


def processor_times_s() -> Mapping[str, float]:
    """Return the processor time of the descendants of this process, in seconds by name.

    Other descendants, such as the generator's processes, are left out.
    """
    times: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            command = " ".join(process.cmdline())
            name = next((name for part, name in _NAMES.items() if part in command), None)
            if name is not None:
                used = process.cpu_times()
                times[name] += used.user + used.system
    return times


def used_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what was used between two readings."""
    return {name: max(0.0, value - before.get(name, 0.0)) for name, value in after.items()}
