"""Which label of a project stands for which class of a model."""

import re
from collections.abc import Iterator

from seewhy.annotations.label_studio.results import ResultType
from seewhy.errors import InvalidRequest, UnknownClass
from seewhy.quoting import quote
from seewhy.schemas.labels import Labels
from seewhy_api.label_studio.label_config import Control, Label, LabelConfig
from seewhy_api.label_studio.options import ANY_CLASS, BackendOptions


class ClassMapping:
    """The labels of a project by the classes of a model.

    A label stands for the classes of its value and its alias, and for those that the options name.
    Names are compared without regard to letter case, underscores, hyphens and spaces.
    """

    unmapped: tuple[str, ...]
    """The labels that stand for no class."""

    def __init__(self, config: LabelConfig, options: BackendOptions, classes: Labels) -> None:
        """Raises `UnknownClass` when the options name a class that the model does not have."""
        self._classes = classes
        self._by_name: dict[str, list[int]] = {}
        for index, name in enumerate(classes):
            self._by_name.setdefault(_folded(name), []).append(index)
        self._texts: dict[tuple[str, int], str] = {}
        self._any: dict[str, str] = {}
        self._indices: dict[tuple[str, str], list[int]] = {}
        unmapped: dict[str, None] = {}
        for control in config.controls:
            for label in control.labels:
                if not self._add(control, label, options):
                    unmapped[label.text] = None
        self.unmapped = tuple(unmapped)

    def label_of(self, control: Control, class_index: int) -> str | None:
        """Return the label of a class in a control tag; None if it has none."""
        name = control.tag.from_name
        return self._texts.get((name, class_index), self._any.get(name))

    def class_of(self, from_name: str, text: str) -> int | None:
        """Return the first class that a label of a control tag stands for; None without one."""
        indices = self._indices.get((from_name, text))
        return indices[0] if indices else None

    def _add(self, control: Control, label: Label, options: BackendOptions) -> bool:
        """Map one label. Of two labels for one class, the first one stands for it."""
        name = control.tag.from_name
        named = [one for text in label.names for one in options.classes_of(text)]
        indices = list(dict.fromkeys(self._indices_of(label, options)))
        for index in indices:
            self._texts.setdefault((name, index), label.text)
        self._indices[name, label.text] = indices
        if ANY_CLASS in named:
            self._any.setdefault(name, label.text)
        return bool(indices) or ANY_CLASS in named

    def _indices_of(self, label: Label, options: BackendOptions) -> Iterator[int]:
        for text in label.names:
            for wanted in options.classes_of(text):
                if wanted == ANY_CLASS:
                    continue
                try:
                    yield self._classes.index_of(wanted)
                except UnknownClass as error:
                    raise UnknownClass(f"alias.{text}: {error}") from error
        for text in label.names:
            yield from self._by_name.get(_folded(text), ())


def require_labels(config: LabelConfig, options: BackendOptions) -> None:
    """Raise `InvalidRequest` for an alias of no label."""
    names = {name for each in config.controls for label in each.labels for name in label.names}
    for alias in options.alias:
        if alias not in names:
            raise InvalidRequest(f"alias: the label config has no label {quote(alias)}.")


def has_regions(control: Control) -> bool:
    """Whether a control tag marks parts of the image, not the image as a whole."""
    return control.tag.type is not ResultType.CHOICES


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()
