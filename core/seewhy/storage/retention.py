"""Retention for a local directory store, where no S3 lifecycle rules apply.

- A result expires after the retention plus the cache lifetime.
- A manifest or outcome expires after the retention, unless the ledger still has the job.
- An image expires when it has not been used for the retention. Each submission writes it again,
  and it stays in use while the ledger has a job with it.
- An agreement expires as a result does.
- The settings of pushes to Label Studio, and its events, expire after twice the retention. Each
  request that pushes predictions writes their settings again.

An hour is added for clock differences and writes in progress. Symbolic links are not followed;
nothing outside the folders named here is touched.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from seewhy.settings import Settings
from seewhy.storage.keys import (
    AGREEMENTS_FOLDER,
    EVENTS_FOLDER,
    IMAGES_FOLDER,
    JOBS_FOLDER,
    PUSHES_FOLDER,
    RESULTS_FOLDER,
    JobObject,
    parse_job_key,
)
from seewhy.storage.obstore_adapter import path_of_file_url

MARGIN_S = 3600.0
FILES_PER_STEP = 200

_log = logging.getLogger(__name__)


class LocalRetention:
    """Removes expired files. Any number of processes and threads may run it at once."""

    def __init__(
        self,
        *,
        root: Path,
        retention_s: float,
        cache_ttl_s: float = 0,
        job_exists: Callable[[str], bool],
        image_keys_of: Callable[[bytes], Iterable[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Expire files under `root`, the directory of a store.

        Results and agreements are kept for `retention_s + cache_ttl_s`, the settings of pushes and
        events for twice `retention_s`, all other files for `retention_s`.
        `job_exists` says whether the ledger has the id of a job or batch. `image_keys_of` reads the
        keys of images from a manifest or a chunk of a batch, and raises `ValueError`. `clock`
        returns seconds since 1970.
        """
        self._root = root
        self._retention_s = retention_s
        self._cache_ttl_s = cache_ttl_s
        self._job_exists = job_exists
        self._image_keys_of = image_keys_of
        self._clock = clock

    def steps(self) -> Iterator[int]:
        """Run one full pass in steps of `FILES_PER_STEP` files; yield how many each removed.

        Raises what `job_exists` raises, before any image is examined.
        """
        removed = 0
        for count, (path, oldest_s) in enumerate(self._files(), start=1):
            if _modified_s(path) < oldest_s and not self._is_needed(path):
                removed += _remove(path, oldest_s=oldest_s)
            if count % FILES_PER_STEP == 0:
                yield removed
                removed = 0
        yield removed

    def _files(self) -> Iterator[tuple[Path, float]]:
        """Yield every file with the oldest modification time that it may have."""
        oldest_s = self._clock() - self._retention_s - MARGIN_S
        # Manifests first: they renew images, and an image is older than its manifest.
        for folder, folder_oldest_s in (
            (JOBS_FOLDER, oldest_s),
            (RESULTS_FOLDER, oldest_s - self._cache_ttl_s),
            (IMAGES_FOLDER, oldest_s - MARGIN_S),
            (AGREEMENTS_FOLDER, oldest_s - self._cache_ttl_s),
            (PUSHES_FOLDER, oldest_s - self._retention_s),
            (EVENTS_FOLDER, oldest_s - self._retention_s),
        ):
            for path in _walk(self._root / folder):
                yield path, folder_oldest_s

    def _is_needed(self, path: Path) -> bool:
        """Return whether the ledger has the file's job or batch; it then renews its images."""
        key = parse_job_key(path.relative_to(self._root).as_posix())
        if key is None or not self._job_exists(key.job_id):
            return False
        if key.kind in {JobObject.MANIFEST, JobObject.CHUNK}:
            self._renew_images(path)
        return True

    def _renew_images(self, document: Path) -> None:
        try:
            for image_key in self._image_keys_of(document.read_bytes()):
                with suppress(FileNotFoundError):
                    os.utime(self._root / image_key, follow_symlinks=False)
        except FileNotFoundError:
            return
        except ValueError as error:
            _log.warning("Cannot read %s; its images may expire early: %s", document, error)


def open_retention(
    settings: Settings,
    *,
    job_exists: Callable[[str], bool],
    image_keys_of: Callable[[bytes], Iterable[str]],
) -> LocalRetention | None:
    """Create the retention of the configured store; None for S3, where lifecycle rules apply."""
    if not settings.store_url.startswith("file://"):
        return None
    return LocalRetention(
        root=path_of_file_url(settings.store_url),
        retention_s=settings.retention_s,
        cache_ttl_s=settings.effective_cache_ttl_s,
        job_exists=job_exists,
        image_keys_of=image_keys_of,
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield every file below `folder`, and remove empty folders on the way."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # missing, or a symbolic link
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


def _modified_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _remove(path: Path, *, oldest_s: float) -> bool:
    """Remove the file unless it was written again meanwhile. Returns whether it was removed."""
    if "#" in path.name:  # not an object: left by a crash here or during a write
        path.unlink(missing_ok=True)
        return True
    aside = path.with_name(f"{path.name}#{os.getpid()}")  # obstore does not list such names
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    renewed = _modified_s(aside) >= oldest_s
    if renewed:
        with suppress(FileExistsError, FileNotFoundError):  # a still newer file is in place
            path.hardlink_to(aside)
    aside.unlink(missing_ok=True)
    return not renewed
