"""The data directory of `seewhy up`: layout and lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seewhy.embedded.errors import DataDirectoryBusy, ProcessError


class DataDirectory:
    """The folders below `--data`. Create it with `lock_data_directory`."""

    def __init__(self, root: Path) -> None:
        """Name the folders below `root`; creates nothing."""
        self.root = root
        self.objects = root / "objects"
        self.valkey = root / "valkey"
        self.logs = root / "logs"

    @property
    def store_url(self) -> str:
        """The URL of the object store in this directory."""
        return f"file://{self.objects}"


@contextmanager
def lock_data_directory(root: Path) -> Iterator[DataDirectory]:
    """Create the directory, readable by its owner only, and lock it until the block ends.

    The kernel releases the lock when the process dies, so a crash leaves nothing to clean up.
    Raises `DataDirectoryBusy`, naming the process that has the lock, and `ProcessError` when the
    directory cannot be used.
    """
    directory = DataDirectory(root.resolve())
    try:
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (directory.objects, directory.valkey, directory.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(directory.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ProcessError(f"cannot use {root} as data directory: {error}") from error
    try:
        _acquire(lock, root)
        yield directory
    finally:
        os.close(lock)


def _acquire(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", errors="replace").strip() or "unknown"
        raise DataDirectoryBusy(
            f"{root} is in use by another `seewhy up` (process {holder}); "
            "stop it, or choose another directory with --data"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
