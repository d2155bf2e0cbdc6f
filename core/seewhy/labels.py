"""The class names of a model, and how a request names classes."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from seewhy.errors import InvalidRequest, UnknownClass
from seewhy.explanations import Contrast, Targets

_TARGETS: TypeAdapter[Targets] = TypeAdapter(Targets)


class Labels:
    """Class names in index order. A name need not be unique: ImageNet has two cranes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._indices: dict[str, list[int]] = {}
        for index, name in enumerate(self._names):
            self._indices.setdefault(name.casefold(), []).append(index)

    @classmethod
    def read(cls, path: Path) -> "Labels":
        """Read one name per line, UTF-8. Raises `OSError` or `UnicodeDecodeError`."""
        return cls(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> str:
        return self._names[index]

    def index_of(self, wanted: str | int) -> int:
        """Find a class by its name (letter case aside) or its index (also written as digits).

        Raises `UnknownClass` for a name that is unknown or shared by several classes, and for an
        index outside the model's range.
        """
        if isinstance(wanted, int):
            return self._checked(wanted)
        found = self._indices.get(wanted.strip().casefold(), [])
        if len(found) == 1:
            return found[0]
        if found:
            listed = " and ".join(str(index) for index in found)
            raise UnknownClass(f"the class name {wanted!r} is ambiguous: use the index, {listed}")
        if re.fullmatch(r"[0-9]{1,9}", wanted):
            return self._checked(int(wanted))
        raise UnknownClass(f"the model has no class {wanted!r}{self._suggestion(wanted)}")

    def _checked(self, index: int) -> int:
        if 0 <= index < len(self):
            return index
        raise UnknownClass(f"the model has no class {index}: indices run from 0 to {len(self) - 1}")

    def _suggestion(self, wanted: str) -> str:
        close = difflib.get_close_matches(wanted.casefold(), self._indices, n=3)
        return f"; close to it: {', '.join(close)}" if close else ""


def resolve_targets(targets: Targets, labels: Labels) -> tuple[int, ...]:
    """Turn a request's targets into class indices; -r stands for the r-th most probable class.

    Raises `UnknownClass` for what the model does not have, and `InvalidRequest` when a class is
    named twice or more classes are asked for than there are.
    """
    try:
        targets = _TARGETS.validate_python(targets)
    except ValidationError as error:
        message = (
            "targets must be 'predicted', 'top:1' to 'top:20', a list, or "
            f"{{'why': X, 'not': [Y]}}, not {targets!r}"
        )
        raise InvalidRequest(message) from error
    if isinstance(targets, Contrast):
        return (_named(targets.why, labels),)
    if isinstance(targets, str):
        count = 1 if targets == "predicted" else int(targets.removeprefix("top:"))
        resolved = tuple(-rank for rank in range(1, count + 1))
    else:
        resolved = tuple(labels.index_of(target) for target in targets)
    if len(resolved) > len(labels):
        message = f"{len(resolved)} classes were asked for, but the model has only {len(labels)}"
        raise InvalidRequest(message)
    repeated = {index for index in resolved if resolved.count(index) > 1}
    if repeated:
        listed = ", ".join(f"{index} ({labels[index]})" for index in sorted(repeated))
        raise InvalidRequest(f"targets name a class more than once: {listed}")
    return resolved


def resolve_rivals(targets: Targets, labels: Labels) -> tuple[int, ...]:
    """Find what a contrast compares its class with, as class indices and ranks; else nothing.

    Raises `UnknownClass` for what the model does not have, and `InvalidRequest` when a class is
    named twice.
    """
    if not isinstance(targets, Contrast):
        return ()
    why = _named(targets.why, labels)
    rivals = tuple(_named(rival, labels) for rival in targets.rivals)
    if len({why, *rivals}) <= len(rivals):
        raise InvalidRequest("targets name a class more than once in `why` and `not`")
    return rivals


def _named(wanted: str | int, labels: Labels) -> int:
    return -1 if wanted == "predicted" else labels.index_of(wanted)
