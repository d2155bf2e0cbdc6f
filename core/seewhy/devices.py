"""The GPUs and processor cores of this machine, and how a process is pinned to some of them.

Pin a process before it imports TensorFlow, whose libraries read the environment and count the
cores once.
"""

import os
import sys
from pathlib import Path

from seewhy.errors import DeviceNotFound

_CUDA_DEVICES, _CUDA_ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
_SYSTEM_ALLOCATOR = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"


def available_cores() -> tuple[int, ...]:
    """Return the numbers of the processor cores that this process may use."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def visible_gpus() -> tuple[str, ...]:
    """Return the CUDA names of the GPUs that this process may use, from `gpu:0` on.

    They are those of CUDA_VISIBLE_DEVICES, which may name parts of a GPU (MIG), or else those
    whose device files exist.
    """
    chosen = os.environ.get(_CUDA_DEVICES)
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return tuple(name for name in names if name not in {"", "-1"})
    files = (file.name.removeprefix("nvidia") for file in Path("/dev").glob("nvidia[0-9]*"))
    return tuple(str(number) for number in range(sum(map(str.isdecimal, files))))


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as `0-3,6`. Raises `DeviceNotFound` for an empty range."""
    cores: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers:
            raise DeviceNotFound(f"{part} names no core: write the lower number first.")
        cores.update(numbers)
    return tuple(sorted(cores))


def pin_process(device: str, *, cores: str | None = None) -> str:
    """Pin this process to `auto`, `cpu` or `gpu:N`, and to `cores`; return what to show.

    `auto` leaves the choice to TensorFlow. Where the operating system has no affinity, only the
    number of cores counts. Raises `DeviceNotFound` when the machine has no such device.
    """
    if cores is not None:
        _pin_to_cores(parse_cores(cores))
    if device == "cpu":
        os.environ[_CUDA_DEVICES] = "-1"
    if device.startswith("gpu:"):
        os.environ[_CUDA_DEVICES] = _cuda_name(device)
        os.environ.setdefault(_CUDA_ORDER, "PCI_BUS_ID")  # that of nvidia-smi
    if cores is None:
        return "" if device == "auto" else device
    plural = "s" if len(parse_cores(cores)) > 1 else ""
    return f"{'cpu' if device == 'auto' else device} (core{plural} {cores})"


def _pin_to_cores(cores: tuple[int, ...]) -> None:
    if missing := set(cores) - set(available_cores()):
        raise DeviceNotFound(
            f"core {min(missing)} is not available: this process may use "
            f"{', '.join(map(str, available_cores()))}."
        )
    if sys.platform == "linux":
        os.sched_setaffinity(0, cores)


def _cuda_name(device: str) -> str:
    gpus = visible_gpus()
    number = int(device.removeprefix("gpu:"))
    if number < len(gpus):
        return gpus[number]
    has = f"the last one is gpu:{len(gpus) - 1}" if gpus else "there is no NVIDIA GPU"
    raise DeviceNotFound(f"{device} is not there: {has}. Choose another device, or `cpu`.")


def use_system_allocator() -> None:
    """Let TensorFlow allocate tensors on the CPU with `malloc`. Call this before any tensor exists.

    By default it keeps what it has allocated, so that a dropped model frees nothing.
    """
    os.environ.setdefault(_SYSTEM_ALLOCATOR, "1")
