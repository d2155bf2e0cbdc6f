"""Which label of a labeling project stands for which class of a model."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from seewhy.errors import UnknownClass
from seewhy.schemas.labels import Labels
from seewhy.schemas.targets import ClassNameOrIndex

ANY_CLASS = "*"

ClassesOfLabel = ClassNameOrIndex | Annotated[tuple[ClassNameOrIndex, ...], Field(min_length=1)]
"""What an alias names: a class by name or index, several, or `*`, which is every class."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a project."""

    text: str
    """As it is written in annotations."""
    names: tuple[str, ...]
    """The names by which a class may be found."""


class ClassNames:
    """The classes of a model by name, whatever the letter case, underscores, hyphens and spaces."""

    def __init__(self, classes: Labels) -> None:
        self._classes = classes
        self._indices: dict[str, list[int]] = {}
        for index, name in enumerate(classes):
            self._indices.setdefault(_folded(name), []).append(index)

    def find(self, name: str) -> list[int]:
        """Return the indices of all classes of this name."""
        return self._indices.get(_folded(name), [])

    def index_of(self, wanted: str | int) -> int:
        """Return the class that a name or an index selects. Raises `UnknownClass`."""
        return self._classes.index_of(wanted)


class LabelMapping:
    """The labels of a project by the classes of a model.

    A label stands for the classes that its aliases name, and for those of its own names. If two
    labels stand for a class, the first is used; a label for every class comes last.
    """

    unmapped: tuple[str, ...]
    """The labels that stand for no class."""

    def __init__(
        self, labels: Iterable[Label], alias: Mapping[str, ClassesOfLabel], classes: ClassNames
    ) -> None:
        """Raises `UnknownClass` when an alias names a class that the model does not have."""
        self._texts: dict[int, str] = {}
        self._indices: dict[str, list[int]] = {}
        self._any: str | None = None
        unmapped: dict[str, None] = {}
        for label in labels:
            indices = list(dict.fromkeys(_indices_of(label, alias, classes)))
            for index in indices:
                self._texts.setdefault(index, label.text)
            self._indices[label.text] = indices
            stands_for_any = any(ANY_CLASS in classes_of(alias, name) for name in label.names)
            if stands_for_any and self._any is None:
                self._any = label.text
            if not (indices or stands_for_any):
                unmapped[label.text] = None
        self.unmapped = tuple(unmapped)

    def label_of(self, class_index: int) -> str | None:
        """Return the label of a class; None if it has none."""
        return self._texts.get(class_index, self._any)

    def class_of(self, text: str) -> int | None:
        """Return the first class that a label stands for; None without one."""
        indices = self._indices.get(text)
        return indices[0] if indices else None

    def stands_for(self, text: str, class_index: int) -> bool:
        """Whether a label stands for a class, which `*` does not."""
        return class_index in self._indices.get(text, ())


def classes_of(alias: Mapping[str, ClassesOfLabel], name: str) -> tuple[str | int, ...]:
    """Return what the alias of a name stands for; nothing without one."""
    classes = alias.get(name, ())
    return classes if isinstance(classes, tuple) else (classes,)


def _indices_of(
    label: Label, alias: Mapping[str, ClassesOfLabel], classes: ClassNames
) -> Iterator[int]:
    for name in label.names:
        for wanted in classes_of(alias, name):
            if wanted == ANY_CLASS:
                continue
            try:
                yield classes.index_of(wanted)
            except UnknownClass as error:
                raise UnknownClass(f"alias.{name}: {error}") from error
    for name in label.names:
        yield from classes.find(name)


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()
