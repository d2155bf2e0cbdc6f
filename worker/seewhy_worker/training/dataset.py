"""Read a folder of images with one subfolder per class."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seewhy_worker.training.errors import TrainingError

MIN_IMAGES_PER_CLASS = 2
"""One image to train on and one to test on."""


@dataclass(frozen=True, slots=True)
class LabeledFile:
    """A file and the index of its class."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """The files of a folder by class. They have not been decoded, so some may not be images."""

    labels: tuple[str, ...]
    """The names of the subfolders, sorted."""
    files: tuple[LabeledFile, ...]
    """Sorted by class, then by path."""


def read_folder(path: Path) -> ImageFolder:
    """List the files in each subfolder at any depth, except hidden ones.

    Raises `TrainingError` unless there are two classes with `MIN_IMAGES_PER_CLASS` files each.
    """
    try:
        folders = sorted(
            one for one in path.iterdir() if one.is_dir() and not _is_hidden(one, path)
        )
        files = [
            LabeledFile(file, label)
            for label, folder in enumerate(folders)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and not _is_hidden(file, folder)
        ]
    except OSError as error:
        raise TrainingError(f"cannot read the folder {path}: {error.strerror}") from error
    labels = tuple(folder.name for folder in folders)
    if len(labels) < 2:
        found = f"only one subfolder, {labels[0]!r}" if labels else "no subfolders"
        raise TrainingError(f"{path} has {found}: create one subfolder of images per class.")
    for name in labels:
        if not _is_valid_label(name):
            raise TrainingError(
                f"the subfolder {name!r} of {path} is not a valid class name: rename it to one "
                "line of text without spaces at either end."
            )
    check_counts(labels, (file.label for file in files))
    return ImageFolder(labels=labels, files=tuple(files))


def check_counts(labels: tuple[str, ...], file_labels: Iterable[int]) -> None:
    """Raise `TrainingError` when a class has fewer than `MIN_IMAGES_PER_CLASS` images."""
    counts = Counter(file_labels)
    too_small = [
        f"{name!r} has {counts[label]}"
        for label, name in enumerate(labels)
        if counts[label] < MIN_IMAGES_PER_CLASS
    ]
    if too_small:
        raise TrainingError(
            f"each class needs at least {MIN_IMAGES_PER_CLASS} images, but {', '.join(too_small)}."
        )


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_valid_label(name: str) -> bool:
    """Return whether the name survives a round trip through a labels file (UTF-8, by line)."""
    written = name.encode("utf-8", "ignore").decode("utf-8")
    return name == written.strip() and len(name.splitlines()) == 1
