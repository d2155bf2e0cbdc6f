"""What the frozen body makes of each picture, computed once and kept in memory."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import BadImage, ImageTooLarge
from seewhy_worker.training.dataset import Labelled

_READERS = 4
Numbers = NDArray[np.float32]
_Read = tuple[str, Numbers]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not learned from, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Features:
    """The features of N pictures, and what was left out."""

    rows: Numbers
    """(N, C)."""
    labels: NDArray[np.int64]
    """(N,)."""
    left_out: tuple[LeftOut, ...]


def compute_features(
    files: Sequence[Labelled],
    *,
    prepare: Callable[[bytes], Numbers],
    compute: Callable[[Numbers], Numbers],
    batch: int,
    max_bytes: int,
    progress: Callable[[int, int | None], None],
) -> Features:
    """Read, prepare and compute, `batch` pictures at a time; pictures are not kept.

    `prepare` makes (H, W, 3) of a file's bytes, in several threads, and raises `BadImage` for a
    file to be left out; `compute` makes (n, C) of (n, H, W, 3). A file of more than `max_bytes`,
    such as a film among the pictures, is left out unread. A copy of a file seen before is left out
    too: on both sides of a hold-out it would praise the head for its memory. `progress` is told
    the files done and the files in all.
    """
    first: dict[str, Path] = {}
    left_out: list[LeftOut] = []
    waiting: list[Numbers] = []
    rows: list[Numbers] = []
    labels: list[int] = []

    def read(path: Path) -> _Read:
        size_bytes = path.stat().st_size
        if size_bytes > max_bytes:
            raise ImageTooLarge(f"the file has {size_bytes} bytes; {max_bytes} are allowed")
        body = path.read_bytes()
        return hashlib.sha256(body).hexdigest(), prepare(body)

    for done, (file, reading) in enumerate(_reading(files, read, ahead=2 * batch), start=1):
        try:
            digest, pixels = reading.result()
        except (BadImage, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            left_out.append(LeftOut(file.path, reason))
        else:
            original = first.setdefault(digest, file.path)
            if original is file.path:
                waiting.append(pixels)
                labels.append(file.label)
            else:
                left_out.append(LeftOut(file.path, f"the same file as {original}"))
        if len(waiting) == batch or (waiting and done == len(files)):
            rows.append(compute(np.stack(waiting)))
            waiting.clear()
        progress(done, len(files))
    return Features(
        rows=np.concatenate(rows) if rows else np.zeros((0, 0), np.float32),
        labels=np.array(labels, np.int64),
        left_out=tuple(left_out),
    )


def _reading(
    files: Iterable[Labelled], read: Callable[[Path], _Read], *, ahead: int
) -> Iterator[tuple[Labelled, Future[_Read]]]:
    """Yield the files in order while threads read on, `ahead` files at most."""
    started: deque[tuple[Labelled, Future[_Read]]] = deque()
    with ThreadPoolExecutor(_READERS) as threads:
        for file in files:
            started.append((file, threads.submit(read, file.path)))
            if len(started) > ahead:
                yield started.popleft()
        yield from started
