"""Compute the features of every image once and keep them in memory."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import BadImage, ImageTooLarge
from seewhy_worker.training.dataset import LabeledFile

_READER_THREADS = 4
FloatArray = NDArray[np.float32]
_DigestAndPixels = tuple[str, FloatArray]


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not used for training, and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Features:
    """The features of N images, and the files that were skipped."""

    rows: FloatArray
    """(N, C)."""
    labels: NDArray[np.int64]
    """(N,)."""
    skipped: tuple[SkippedFile, ...]


def compute_features(
    files: Sequence[LabeledFile],
    *,
    prepare: Callable[[bytes], FloatArray],
    compute: Callable[[FloatArray], FloatArray],
    batch: int,
    max_bytes: int,
    progress: Callable[[int, int | None], None],
) -> Features:
    """Read and prepare the files and compute their features, `batch` images at a time.

    `prepare` decodes a file's bytes to pixels (H, W, 3); it runs in several threads and raises
    `BadImage` for a file to skip. `compute` maps pixels (n, H, W, 3) to features (n, C).
    `progress` receives the number of files done and the total. Files over `max_bytes`, such as
    videos, are skipped without reading them. Duplicates are skipped, because copies on both sides
    of the hold-out would inflate the accuracy.
    """
    first_paths: dict[str, Path] = {}
    skipped: list[SkippedFile] = []
    pending: list[FloatArray] = []
    rows: list[FloatArray] = []
    labels: list[int] = []

    def read(path: Path) -> _DigestAndPixels:
        size_bytes = path.stat().st_size
        if size_bytes > max_bytes:
            raise ImageTooLarge(f"the file has {size_bytes} bytes; the limit is {max_bytes}")
        body = path.read_bytes()
        return hashlib.sha256(body).hexdigest(), prepare(body)

    for done, (file, future) in enumerate(_read_ahead(files, read, limit=2 * batch), start=1):
        try:
            digest, pixels = future.result()
        except (BadImage, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            skipped.append(SkippedFile(file.path, reason))
        else:
            first_path = first_paths.setdefault(digest, file.path)
            if first_path is file.path:
                pending.append(pixels)
                labels.append(file.label)
            else:
                skipped.append(SkippedFile(file.path, f"a duplicate of {first_path}"))
        if len(pending) == batch or (pending and done == len(files)):
            rows.append(compute(np.stack(pending)))
            pending.clear()
        progress(done, len(files))
    return Features(
        rows=np.concatenate(rows) if rows else np.zeros((0, 0), np.float32),
        labels=np.array(labels, np.int64),
        skipped=tuple(skipped),
    )


def _read_ahead(
    files: Iterable[LabeledFile], read: Callable[[Path], _DigestAndPixels], *, limit: int
) -> Iterator[tuple[LabeledFile, Future[_DigestAndPixels]]]:
    """Yield the files in order while threads read at most `limit` files ahead."""
    pending: deque[tuple[LabeledFile, Future[_DigestAndPixels]]] = deque()
    with ThreadPoolExecutor(_READER_THREADS) as threads:
        for file in files:
            pending.append((file, threads.submit(read, file.path)))
            if len(pending) > limit:
                yield pending.popleft()
        yield from pending
