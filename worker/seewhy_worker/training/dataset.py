"""A folder of pictures, one sub-folder for each class."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seewhy_worker.training.errors import FitRefused

FEWEST = 2
"""Pictures of a class, at least: one to learn from, and one to be tested on."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file and its class, as an index into the labels."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder, by class. Whether they are pictures is not known yet."""

    labels: tuple[str, ...]
    """The names of the sub-folders, sorted."""
    files: tuple[Labelled, ...]
    """Sorted by class, then by path."""


def read_folder(path: Path) -> Folder:
    """List the files in each sub-folder, at any depth; those whose name begins with a dot are not.

    Raises `FitRefused` unless there are two classes, of two files each.
    """
    try:
        classes = sorted(one for one in path.iterdir() if one.is_dir() and _is_shown(one, path))
        files = [
            Labelled(file, label)
            for label, folder in enumerate(classes)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and _is_shown(file, folder)
        ]
    except OSError as error:
        raise FitRefused(f"the folder {path} cannot be read: {error.strerror}") from error
    labels = tuple(folder.name for folder in classes)
    if len(labels) < 2:
        found = f"one class only, {labels[0]!r}" if labels else "no sub-folder"
        raise FitRefused(f"{path} has {found}: make one sub-folder of pictures for each class.")
    for name in labels:
        if not _is_one_line(name):
            raise FitRefused(f"{path} has a sub-folder {name!r}, which is no class name: rename it")
    check_counts(labels, (file.label for file in files))
    return Folder(labels=labels, files=tuple(files))


def check_counts(labels: tuple[str, ...], found: Iterable[int]) -> None:
    """Raise `FitRefused`, which names them, where classes have fewer than `FEWEST` pictures."""
    counts = Counter(found)
    poor = [f"{name!r} has {counts[i]}" for i, name in enumerate(labels) if counts[i] < FEWEST]
    if poor:
        raise FitRefused(f"each class needs {FEWEST} pictures or more, and {', '.join(poor)}.")


def _is_shown(file: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(folder).parts)


def _is_one_line(name: str) -> bool:
    """Whether a labels file, UTF-8, one name a line, gives the name back."""
    written = name.encode("utf-8", "ignore").decode("utf-8")
    return name == written.strip() and len(name.splitlines()) == 1
