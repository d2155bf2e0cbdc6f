"""What all data sets share: images in a folder, their annotations, and the classes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.datasets.options import Shape


@dataclass(frozen=True, kw_only=True)
class DatasetItem:
    """An upright image and the annotations of it."""

    name: str
    """The file name, unique in the data set."""
    image: bytes
    size: ImageSize
    classes: tuple[Annotation, ...]
    """The explained classes, without a place."""
    regions: tuple[Annotation, ...]
    heatmap: bytes | None = None
    """A gray PNG of the size of the image, for formats that hold heatmaps."""
    fields: Mapping[str, float | bool] = field(default_factory=dict)
    """Further numbers about the image, for formats that hold fields."""


class Classes:
    """Numbers the classes from 0 in the order in which they appear."""

    def __init__(self) -> None:
        self.indices: dict[str, int] = {}

    def number(self, label: str) -> int:
        """Return the number of a class."""
        return self.indices.setdefault(label, len(self.indices))

    @property
    def labels(self) -> list[str]:
        """The classes so far."""
        return list(self.indices)


class Entries:
    """Entries of a list that may not fit into memory, kept in a temporary file."""

    def __init__(self, separator: str, folder: Path) -> None:
        """Keep the file on the disk of `folder`."""
        self._file = TemporaryFile(  # noqa: SIM115 - closed by copy_to
            "w+", encoding="utf-8", dir=folder
        )
        self._separator = separator
        self._is_empty = True

    def add(self, text: str) -> None:
        """Add an entry."""
        self._file.write(text if self._is_empty else self._separator + text)
        self._is_empty = False

    def close(self) -> None:
        """Forget all entries."""
        with suppress(OSError):  # the rest of them does not fit on the disk
            self._file.close()

    def copy_to(self, file: IO[str]) -> None:
        """Write all entries, and forget them."""
        with self._file:
            self._file.seek(0)
            while block := self._file.read(1 << 20):
                file.write(block)


class DatasetWriter(ABC):
    """Writes a data set into a folder. One item is in memory at a time."""

    shapes: tuple[Shape, ...]
    """What the format can hold; the first is the default."""
    needs_heatmaps = False
    image_folder = "images"

    def __init__(self, folder: Path, *, shape: Shape, image_folder_url: str) -> None:
        """Write into an empty folder. `image_folder_url` precedes the names of images in URLs."""
        self._folder = folder
        self._shape = shape
        self._image_folder_url = image_folder_url
        self._classes = Classes()
        self._entries: list[Entries] = []
        (folder / self.image_folder).mkdir(parents=True, exist_ok=True)

    def add(self, item: DatasetItem) -> None:
        """Write an image, and its annotations if they have a file of their own.

        Raises `InvalidAnnotation`, before anything is written, for a class that the format cannot
        hold.
        """
        (self._folder / self.image_folder / item.name).write_bytes(item.image)
        self._add(item)

    def close(self) -> None:
        """Remove temporary files. The data set is not complete unless it was finished."""
        for entries in self._entries:
            entries.close()

    @abstractmethod
    def finish(self) -> None:
        """Write the files that describe the whole data set."""

    @abstractmethod
    def _add(self, item: DatasetItem) -> None: ...

    def _new_entries(self, separator: str) -> Entries:
        entries = Entries(separator, self._folder)
        self._entries.append(entries)
        return entries

    def _create(self, name: str) -> IO[str]:
        """Open a new text file below the folder."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8", newline="\n")
