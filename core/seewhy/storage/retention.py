"""Expiry of a local directory store: what S3 does by its lifecycle rules, in small steps.

- A result goes when it is older than the retention and the time for which it answers others.
- A manifest goes when it is, unless the ledger knows its job.
- A picture goes when it has not been used for that long. Each acceptance writes it again, and
  while the ledger knows a job that has come of age, waiting or finished, its picture is in use.

An hour is added, for clocks and for what is being written. Links are not followed, and what lies
outside these three folders is none of ours.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from seewhy.schemas.job import Job
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import directory_of

MARGIN_S = 3600.0
STEP = 200
"""How many files are looked at in one step."""


class LocalRetention:
    """Removes what is past its retention. Any number may run at once, in any processes."""

    def __init__(
        self,
        *,
        root: Path,
        retention_s: float,
        shared_s: float = 0,
        known: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Expire the files under `root`, the directory of a store.

        A result is kept for `retention_s` and `shared_s`, the others for the first alone.
        `known` says whether the ledger knows a job; `clock` is that of the files' times.
        """
        self._root = root
        self._retention_s = retention_s
        self._shared_s = shared_s
        self._known = known
        self._clock = clock

    def steps(self) -> Iterator[int]:
        """Make one whole pass in steps of `STEP` files; yield how many each removed.

        Raises what `known` raises, before any picture has been looked at.
        """
        removed = 0
        for seen, (path, limit_s) in enumerate(self._files(), start=1):
            if _written_s(path) < limit_s and not self._needed(path):
                removed += _remove(path, limit_s=limit_s)
            if seen % STEP == 0:
                yield removed
                removed = 0
        yield removed

    def _files(self) -> Iterator[tuple[Path, float]]:
        """Find every file and the time that it must not be older than."""
        limit_s = self._clock() - self._retention_s - MARGIN_S
        # Manifests first: they keep pictures young, and a picture is older than its manifest.
        for name, before_s in (
            ("jobs", limit_s),
            ("results", limit_s - self._shared_s),
            ("images", limit_s - MARGIN_S),
        ):
            for path in _walk(self._root / name):
                yield path, before_s

    def _needed(self, path: Path) -> bool:
        """Whether it is the manifest of a job that the ledger knows; its picture is then in use."""
        if path.parts[len(self._root.parts)] != "jobs":
            return False
        if not self._known(path.name.partition(".")[0]):
            return False
        with suppress(FileNotFoundError, KeyError, ValueError):  # an outcome's file, not a manifest
            job = Job.model_validate_json(json.loads(path.read_bytes())["job"])
            os.utime(self._root / job.image_key, follow_symlinks=False)
        return True


def open_retention(settings: Settings, *, known: Callable[[str], bool]) -> LocalRetention | None:
    """Make the expiry of the store that `settings` name, or None where it sees to that itself."""
    if not settings.store_url.startswith("file://"):
        return None
    root = directory_of(settings.store_url)
    return LocalRetention(
        root=root,
        retention_s=settings.retention_s,
        shared_s=settings.effective_cache_ttl_s,
        known=known,
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Find every file below `folder`, and remove the folders that turn out to be empty."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone meanwhile, or a link
        return
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(folder / entry.name)
                    with suppress(OSError):
                        (folder / entry.name).rmdir()
                elif entry.is_file(follow_symlinks=False):
                    yield folder / entry.name
    finally:
        os.close(descriptor)


def _written_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _remove(path: Path, *, limit_s: float) -> bool:
    """Remove the file, unless it has been written again since it was looked at."""
    if "#" in path.name:  # no object: what a crash left of the lines below, or of a write
        path.unlink(missing_ok=True)
        return True
    aside = path.with_name(f"{path.name}#{os.getpid()}")  # obstore lists no name that ends so
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    fresh = _written_s(aside) >= limit_s
    if fresh:
        with suppress(FileExistsError, FileNotFoundError):  # and once more, which is fresher still
            path.hardlink_to(aside)
    aside.unlink(missing_ok=True)
    return not fresh
