"""The catalog: the available models and their properties.

The catalog is read from the `models.toml` of the package `seewhy_models`, then from the operator's
own file (`Settings.models_file`). A table of the operator replaces a shipped table of that name.
"""

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import SettingsError, UnknownModel
from seewhy.quoting import quote, quote_mistake
from seewhy.schemas.labels import Labels
from seewhy.settings import Settings

_RESERVED = {
    "name": "not a field; the title of the table is the name, so remove this line",
    "folder": "not a field; paths start at the folder of the catalog file, so remove this line",
}
_UNION_TAGS = {"published", "random", "module", "scale", "vgg16"}
"""Second parts of Pydantic's error locations that are not fields."""
_NAME_RULE = (
    "not a valid model name; use at most 64 lower-case letters, digits, dots, underscores and "
    "hyphens, with a letter or digit first"
)


class Catalog:
    """The available models by name."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = dict(models)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read the shipped catalog file and the operator's.

        Raises `SettingsError`, which names the file and lists every mistake in it.
        """
        models = _read(Path(str(resources.files("seewhy_models"))) / "models.toml")
        if settings.models_file is not None:
            models |= _read(settings.models_file.absolute())
        return cls(models)

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted(self._models))

    def has(self, spec: ModelSpec) -> bool:
        """Return whether the catalog names the same file or weights under the same name."""
        known = self._models.get(spec.name)
        return known is not None and (known.source, known.digest) == (spec.source, spec.digest)

    def get(self, name: str) -> ModelSpec:
        """Return a model. Raises `UnknownModel`, which lists the available names."""
        try:
            return self._models[name]
        except KeyError:
            close = difflib.get_close_matches(name[:200], self._models, n=1)
            suggestion = f" Did you mean {close[0]}?" if close else ""
            available = ", ".join(self.names())
            message = f"unknown model {quote(name)}; available: {available}.{suggestion}"
            raise UnknownModel(message) from None


def _read(path: Path) -> dict[str, ModelSpec]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read the catalog {path}: {error}") from error
    models: dict[str, ModelSpec] = {}
    mistakes: list[str] = []
    for name, table in tables.items():
        spec, found = _parse_table(name, table, path.parent)
        mistakes += found
        if spec is not None:
            models[name] = spec
    if mistakes:
        listed = "\n  ".join(mistakes)
        raise SettingsError(f"the catalog {path} has mistakes:\n  {listed}")
    return models


def _parse_table(name: str, table: object, folder: Path) -> tuple[ModelSpec | None, list[str]]:
    """Return the model of a table, or None, and its mistakes as `TABLE.FIELD: mistake; remedy`."""
    if not isinstance(table, dict):
        return None, [f"{name}: not a table; write the fields of a model below [{name}]"]
    mistakes = [f"{name}.{field}: {_RESERVED[field]}" for field in _RESERVED if field in table]
    fields = {field: value for field, value in table.items() if field not in _RESERVED}
    if isinstance(file := fields.get("labels_file"), str):
        mistakes += _check_labels(f"{name}.labels_file", folder / file)
    try:
        spec = ModelSpec.model_validate({**fields, "name": name, "folder": folder})
    except ValidationError as error:
        return None, mistakes + [
            _describe(name, mistake)
            for mistake in error.errors()
            if mistake["type"] != "default_factory_not_called"  # a consequence of the others
        ]
    return spec, mistakes


def _check_labels(where: str, path: Path) -> list[str]:
    try:
        labels = Labels.read(path)
    except OSError as error:
        return [f"{where}: cannot read {path} ({error.strerror}); correct the path"]
    except UnicodeDecodeError:
        return [f"{where}: {path} is not UTF-8 text; save it as UTF-8"]
    return [] if len(labels) else [f"{where}: {path} is empty; write one class name per line"]


def _describe(name: str, mistake: ErrorDetails) -> str:
    location = mistake["loc"]
    fields = [part for place, part in enumerate(location) if place != 1 or part not in _UNION_TAGS]
    where = ".".join([name, *map(str, fields)])
    if location == ("name",):
        return f"{name}: {_NAME_RULE}"
    if mistake["type"] == "extra_forbidden":
        known = ModelSpec.model_fields if len(location) == 1 else ()
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        return f"{where}: unknown field; " + (f"did you mean {close[0]}?" if close else "remove it")
    if mistake["type"] == "string_pattern_mismatch" and len(location) == 1:
        expected = ModelSpec.model_fields[str(location[0])].description or ""
        return f"{where}: not valid; give {expected[:1].lower()}{expected[1:]}"
    return f"{where}: {quote_mistake(mistake)}"
