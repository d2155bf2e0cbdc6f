"""The class names of a model."""

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from seewhy.errors import UnknownClass
from seewhy.quoting import quote


class Labels:
    """The class names in index order. Names may repeat: ImageNet has two classes named crane.

    For a model of values, the names of its outputs.
    """

    def __init__(self, names: Iterable[str], *, noun: str = "class") -> None:
        """Keep the names; messages call what they name a `noun`."""
        self._names = tuple(names)
        self._noun = noun
        self._indices: dict[str, list[int]] = {}
        for index, name in enumerate(self._names):
            self._indices.setdefault(name.casefold(), []).append(index)

    @classmethod
    def read(cls, path: Path, *, noun: str = "class") -> "Labels":
        """Read one name per line, UTF-8. Raises `OSError` or `UnicodeDecodeError`."""
        lines = (line.strip() for line in path.read_text("utf-8").splitlines())
        return cls((line for line in lines if line), noun=noun)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, index: int) -> str:
        return self._names[index]

    def index_of(self, wanted: str | int) -> int:
        """Return the index of a class given by name, in any letter case, or by index.

        The index may be a string of digits. Raises `UnknownClass` when the name is unknown or
        ambiguous, or when the index is out of range.
        """
        if isinstance(wanted, int):
            return self._check_range(wanted)
        found = self._indices.get(wanted.strip().casefold(), [])
        if len(found) == 1:
            return found[0]
        if found:
            listed = " or ".join(str(index) for index in found)
            raise UnknownClass(
                f"the {self._noun} name {quote(wanted)} is ambiguous; use the index: {listed}"
            )
        if re.fullmatch(r"[0-9]{1,9}", wanted):
            return self._check_range(int(wanted))
        raise UnknownClass(
            f"the model has no {self._noun} {quote(wanted)}{self._suggestion(wanted)}"
        )

    def _check_range(self, index: int) -> int:
        if 0 <= index < len(self):
            return index
        raise UnknownClass(
            f"the model has no {self._noun} {quote(index)}: indices run from 0 to {len(self) - 1}"
        )

    def _suggestion(self, wanted: str) -> str:
        close = difflib.get_close_matches(wanted[:200].casefold(), self._indices, n=3)
        return f"; similar names: {', '.join(close)}" if close else ""
