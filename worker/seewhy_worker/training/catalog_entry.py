"""A fitted model on disk: the model file, its labels, and a catalogue that names both."""

import hashlib
import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.catalog.catalog import ModelSpec
from seewhy_worker.training.errors import FitRefused

# All else is the base's: how a picture becomes the network's input has to stay as it was.
_OWN = {"name", "folder", "source", "sha256", "weights", "labels_file", "layer", "layers", "output"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the three files go."""

    model: Path

    @property
    def labels(self) -> Path:
        """The class names, one a line."""
        return self.model.with_suffix(".labels.txt")

    @property
    def catalogue(self) -> Path:
        """A catalogue of this model alone, for `SEEWHY_MODELS_FILE`."""
        return self.model.with_suffix(".toml")

    @property
    def name(self) -> str:
        """The model's name in the catalogue: that of the file, as far as a name can be."""
        allowed = re.sub(r"[^a-z0-9_-]+", "-", self.model.stem.lower()).strip("-_")
        return allowed[:64] or "model"


def choose_place(out: Path, *, overwrite: bool, taken: Collection[str] = ()) -> Place:
    """Check that a model can be saved as `out`, under a name not `taken`; raise `FitRefused`."""
    if not re.fullmatch(r"[^:]+\.keras", out.name):
        raise FitRefused(f"{out.name!r} is no name for a model: it has to end in .keras.")
    place = Place(out)
    if place.name in taken:
        raise FitRefused(f"a model named {place.name} ships with seewhy: choose another --out.")
    for path in (place.model, place.labels, place.catalogue):
        if path.exists() and not overwrite:
            raise FitRefused(f"{path} exists: choose another --out, or add --overwrite.")
    return place


@contextmanager
def draft(place: Place) -> Iterator[Place]:
    """Yield a place to write the three files to, which take their names when the block is done.

    A block that raises leaves nothing behind. Raises `FitRefused` where nothing can be written.
    """
    folder = place.model.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fitting-") as temporary:
            drafted = Place(Path(temporary) / place.model.name)
            yield drafted
            # The catalogue last: it names the digest of the model, and so completes the set.
            drafted.labels.replace(place.labels)
            drafted.model.replace(place.model)
            drafted.catalogue.replace(place.catalogue)
    except OSError as error:
        raise FitRefused(f"{place.model} cannot be written: {error}") from error


def write_entry(
    place: Place, *, base: ModelSpec, layer: str, paths: Collection[str], labels: Sequence[str]
) -> None:
    """Write the labels and the catalogue of the model file that is at the place.

    What the catalogue says of the base, and is not about its file or its end, holds of this too;
    further `layers` as far as they are among `paths`, which the fitted network has.
    """
    place.labels.write_text("".join(f"{label}\n" for label in labels), "utf-8")
    with place.model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    inherited = base.model_dump(mode="json", exclude=_OWN, exclude_unset=True)
    fields: dict[str, Any] = {
        "source": place.model.name,
        "sha256": digest,
        **inherited,
        "labels_file": place.labels.name,
        "layer": layer,
    }
    if layers := [path for path in base.layers if path in paths]:
        fields["layers"] = layers
    lines = [
        f"# A head over the body of {base.name}, fitted by `seewhy fit`.",
        f"[{place.name}]",
        *(f"{name} = {_toml(value)}" for name, value in fields.items()),
    ]
    place.catalogue.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _toml(value: Any) -> str:
    """Write a value as TOML 1.0; of strings, JSON's escapes are TOML's too."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_toml(part)}' for name, part in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
