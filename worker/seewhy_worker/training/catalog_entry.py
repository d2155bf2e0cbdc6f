"""Write a trained model to disk: the model file, its labels, and a catalog with its entry."""

import hashlib
import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.catalog.model_files import name_of_model
from seewhy.catalog.model_spec import ModelSpec
from seewhy_worker.training.errors import TrainingError

# The new entry inherits all other fields, so that images are preprocessed as for the base model.
_NOT_INHERITED = {
    "name",
    "folder",
    "source",
    "sha256",
    "weights",
    "labels_file",
    "layer",
    "layers",
    "output",
    "references",
    "scores",
}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The paths of the three files that a trained model consists of."""

    model: Path

    @property
    def labels(self) -> Path:
        """The class names, one per line."""
        return self.model.with_suffix(".labels.txt")

    @property
    def catalog(self) -> Path:
        """A catalog with this model only, for `SEEWHY_MODELS_FILE`."""
        return self.model.with_suffix(".toml")

    @property
    def name(self) -> str:
        """The model's name in the catalog, derived from the file name."""
        return name_of_model(self.model)


def choose_output_files(
    out: Path, *, overwrite: bool, reserved_names: Collection[str] = ()
) -> ModelFiles:
    """Derive the output paths from `out`, the path of the model file.

    Raises `TrainingError` when `out` is not a `.keras` path, when a file exists and `overwrite`
    is false, or when the name is one of `reserved_names`.
    """
    if not re.fullmatch(r"[^:]+\.keras", out.name):
        raise TrainingError(
            f"{out.name!r} is not a valid model file name: use a name that ends in .keras."
        )
    files = ModelFiles(out)
    if files.name in reserved_names:
        raise TrainingError(
            f"seewhy already ships a model named {files.name}: choose another --out."
        )
    for path in (files.model, files.labels, files.catalog):
        if path.exists() and not overwrite:
            raise TrainingError(f"{path} exists: choose another --out, or add --overwrite.")
    return files


@contextmanager
def staged_files(files: ModelFiles) -> Iterator[ModelFiles]:
    """Yield temporary paths to write the three files to; move them to `files` on success.

    If the block raises, nothing is left behind. Raises `TrainingError` when the folder is not
    writable.
    """
    folder = files.model.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fitting-") as temporary:
            staged = ModelFiles(Path(temporary) / files.model.name)
            yield staged
            # Move the catalog last: it holds the digest of the model, so it completes the set.
            staged.labels.replace(files.labels)
            staged.model.replace(files.model)
            staged.catalog.replace(files.catalog)
    except OSError as error:
        raise TrainingError(f"cannot write {files.model}: {error}") from error


def write_catalog_entry(
    files: ModelFiles,
    *,
    base: ModelSpec,
    layer: str,
    layer_paths: Collection[str],
    labels: Sequence[str],
) -> None:
    """Write the labels and the catalog for the model file that exists at `files.model`.

    The entry inherits the fields of `base` that do not concern its file or its head. It keeps
    those of the base's additional `layers` that are among `layer_paths`, the spatial layers of
    the new model.
    """
    files.labels.write_text("".join(f"{label}\n" for label in labels), "utf-8")
    with files.model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    inherited = base.model_dump(mode="json", exclude=_NOT_INHERITED, exclude_unset=True)
    fields: dict[str, Any] = {
        "source": files.model.name,
        "sha256": digest,
        **inherited,
        "labels_file": files.labels.name,
        "layer": layer,
    }
    if layers := [path for path in base.layers if path in layer_paths]:
        fields["layers"] = layers
    lines = [
        f"# A head trained by `seewhy fit` over the body of {base.name}.",
        f"[{files.name}]",
        *(f"{name} = {_to_toml(value)}" for name, value in fields.items()),
    ]
    files.catalog.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _to_toml(value: Any) -> str:
    """Format a value as TOML 1.0, whose string escapes include those of JSON."""
    if isinstance(value, Mapping):
        items = ", ".join(f"{name} = {_to_toml(item)}" for name, item in value.items())
        return f"{{ {items} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
