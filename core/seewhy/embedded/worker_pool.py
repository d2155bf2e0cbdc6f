"""The workers of `seewhy up`: each gets a GPU, or its share of the processor cores."""

from collections.abc import Sequence
from itertools import pairwise

from seewhy.devices import available_cores, parse_cores, visible_gpus
from seewhy.settings import Settings


def deal_devices(settings: Settings, *, workers: int) -> list[Settings]:
    """Return the settings of each of `workers` workers.

    A single worker, and workers whose device is named, keep theirs. Otherwise each gets a GPU; if
    there are more workers than GPUs, they share them. Without a GPU, or with the device `cpu`,
    each gets its share of the cores that it may use, at least one.
    """
    if workers == 1 or settings.worker_device.startswith("gpu:"):
        return [settings] * workers
    gpus = visible_gpus() if settings.worker_device == "auto" else ()
    if gpus:
        return [
            settings.model_copy(update={"worker_device": f"gpu:{number % len(gpus)}"})
            for number in range(workers)
        ]
    cores = (
        available_cores() if settings.worker_cores is None else parse_cores(settings.worker_cores)
    )
    return [
        settings.model_copy(update={"worker_cores": ",".join(map(str, share))})
        for share in core_shares(cores, workers=workers)
    ]


def core_shares(cores: Sequence[int], *, workers: int) -> list[Sequence[int]]:
    """Divide the cores into neighbors; with more workers than cores, workers share a core."""
    if workers >= len(cores):
        return [cores[number % len(cores) :][:1] for number in range(workers)]
    bounds = [number * len(cores) // workers for number in range(workers + 1)]
    return [cores[first:last] for first, last in pairwise(bounds)]
