"""The directory in which one `seewhy up` keeps everything."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seewhy.embedded.errors import DataDirectoryBusy, ProcessError


class DataDirectory:
    """Where things lie under `--data`. Made by `hold`, which keeps other processes out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.valkey = root / "valkey"
        self.logs = root / "logs"


@contextmanager
def hold(root: Path) -> Iterator[DataDirectory]:
    """Make the directory, readable by its owner alone, and hold it for the length of the block.

    The lock is the kernel's and goes with the process, so a crash leaves nothing to clean up.
    Raises `DataDirectoryBusy` naming the process that holds it.
    """
    directory = DataDirectory(root.resolve())
    try:
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (directory.objects, directory.valkey, directory.logs):
            part.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(directory.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ProcessError(f"{root} cannot be used as a data directory: {error}") from error
    try:
        _lock(lock, root)
        yield directory
    finally:
        os.close(lock)


def _lock(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", errors="replace").strip() or "unknown"
        raise DataDirectoryBusy(
            f"{root} is in use by another `seewhy up` (process {holder}); "
            "stop that one, or choose another directory with --data"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
