"""What a check is asked to do, as it is passed to the child process."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from seewhy.schemas.methods import OutputKind

_DEFAULT_SIZE_PX = (224, 224)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A file, what to explain in it, and the limits of the child process."""

    path: Path
    layer: str | None = None
    output: str | None = None
    outputs: OutputKind = "classes"
    modules: tuple[str, ...] = ()
    """Modules of the operator to import before the file is loaded."""
    size: tuple[int, int] = _DEFAULT_SIZE_PX
    """(height, width) for a network that leaves its input size open."""
    shuffle: bool = True
    memory_bytes: int
    timeout_s: float

    def to_json(self) -> str:
        """Return a text from which `from_json` makes an equal request."""
        return json.dumps({**asdict(self), "path": str(self.path)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        tuples = {name: tuple(fields[name]) for name in ("modules", "size")}
        return cls(**{**fields, "path": Path(fields["path"]), **tuples})
