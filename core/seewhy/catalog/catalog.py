"""The catalog: the available models and their properties.

The catalog is read from the `models.toml` of the package `seewhy_models`, then from the operator's
own file (`Settings.models_file`). A table of the operator replaces a shipped table of that name.
"""

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from seewhy.errors import SettingsError, UnknownModel
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.geometry import Interpolation, ResizeRule
from seewhy.schemas.labels import Labels
from seewhy.schemas.methods import METHODS
from seewhy.settings import Settings

APPLICATIONS = "keras.applications:"

_RESERVED = {
    "name": "not a field; the title of the table is the name, so remove this line",
    "folder": "not a field; paths start at the folder of the catalog file, so remove this line",
}
_UNION_TAGS = {"published", "random", "scale", "vgg16"}
"""Parts of Pydantic's error locations that are not fields."""
_NAME_RULE = (
    "not a valid model name; use at most 64 lower-case letters, digits, dots, underscores and "
    "hyphens, with a letter or digit first"
)

PerChannel = float | tuple[float, float, float]


class InputSize(StrictModel):
    """The height and width of the network's input, in pixels."""

    height_px: int = Field(ge=8, le=4096)
    width_px: int = Field(ge=8, le=4096)


class VggPreprocessing(StrictModel):
    """The preprocessing of `keras.applications.vgg16`: BGR minus the ImageNet mean."""

    kind: Literal["vgg16"]


class ScalePreprocessing(StrictModel):
    """`(x - mean) / std` of RGB, 0 to 255; one number for all channels, or one for each."""

    kind: Literal["scale"]
    mean: PerChannel = 0.0
    std: PerChannel = 1.0

    @model_validator(mode="after")
    def _check_std(self) -> Self:
        if 0.0 in (self.std if isinstance(self.std, tuple) else (self.std,)):
            raise ValueError("std must not be zero")
        return self


Preprocessing = Annotated[VggPreprocessing | ScalePreprocessing, Field(discriminator="kind")]


class Geometry(StrictModel):
    """How an image is fitted to the input: stretched as a whole, or a centered square crop."""

    rule: ResizeRule = "stretch"
    fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="The side of a crop by the image's shorter side.",
    )


class WeightsFile(StrictModel):
    """Weights that are published separately from the network's definition."""

    file: str = Field(pattern=r"^[\w.-]+$")
    url: str = Field(pattern=r"^https?://")
    digest: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")


class RandomWeights(StrictModel):
    """Weights from a seeded random generator, for tests and benchmarks."""

    random_seed: int = Field(ge=0)


def _weights_kind(weights: object) -> str:
    is_random = isinstance(weights, RandomWeights) or (
        isinstance(weights, Mapping) and "random_seed" in weights
    )
    return "random" if is_random else "published"


Weights = Annotated[
    Annotated[WeightsFile, Tag("published")] | Annotated[RandomWeights, Tag("random")],
    Discriminator(_weights_kind),
]


class ModelSpec(StrictModel):
    """One model of the catalog: the name of a table and its fields."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    folder: Path = Field(description="The folder of the catalog file, where its paths start.")
    source: str = Field(
        pattern=r"^(keras\.applications:[A-Z]\w+|[^:]+\.(keras|h5))$",
        description="`keras.applications:NAME`, or a .keras or .h5 file.",
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="The SHA-256 of the model file, in lower-case hexadecimal.",
    )
    weights: Weights | None = Field(
        None, description="The weights for a keras.applications source."
    )
    input: InputSize
    preprocessing: Preprocessing
    geometry: Geometry = Geometry()
    interpolation: Interpolation = "bilinear"
    labels_file: str = Field(description="The file of class names, one per line, in index order.")
    layer: str | None = Field(
        None, description="The target layer; unset means the last layer with a spatial output."
    )
    layers: tuple[str, ...] = Field((), description="Other layers that a request may name.")
    output: str | None = Field(
        None, description="The output with the scores, if the network has several outputs."
    )
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32",
        description="The number format of the network; the mixed formats are for GPUs.",
    )
    max_batch: int = Field(32, ge=1, le=32, description="The maximum number of images in a batch.")
    methods: tuple[str, ...] = Field(
        METHODS, min_length=1, description="The methods that a request may name."
    )

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [method for method in methods if method not in METHODS]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; available: {', '.join(METHODS)}")
        return methods

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.is_application and (self.weights is None or self.sha256 is not None):
            raise ValueError("a keras.applications source needs `weights` and takes no `sha256`")
        if not self.is_application and (self.weights is not None or self.sha256 is None):
            raise ValueError("a .keras or .h5 source needs `sha256` and takes no `weights`")
        return self

    @property
    def is_application(self) -> bool:
        """Whether the network's definition comes from `keras.applications`."""
        return self.source.startswith(APPLICATIONS)

    @property
    def digest(self) -> str:
        """The identity of the weights: `sha256:…`, `md5:…` or `random:SEED`."""
        if isinstance(self.weights, RandomWeights):
            return f"random:{self.weights.random_seed}"
        return self.weights.digest if self.weights else f"sha256:{self.sha256}"

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of everything in the catalog that an explanation depends on."""
        entry = self.model_dump_json(exclude={"folder", "methods", "max_batch"})
        return hashlib.sha256("\n".join([entry, *self.labels]).encode()).hexdigest()

    @property
    def offered_layers(self) -> tuple[str, ...]:
        """The layers that a request may name."""
        own = (self.layer,) if self.layer else ()
        return tuple(dict.fromkeys((*self.layers, *own)))

    @cached_property
    def labels(self) -> Labels:
        """The class names, read once. Raises `OSError` or `UnicodeDecodeError`."""
        return Labels.read(self.folder / self.labels_file)


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

    def get(self, name: str) -> ModelSpec:
        """Return a model. Raises `UnknownModel`, which lists the available names."""
        try:
            return self._models[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._models, n=1)
            suggestion = f" Did you mean {close[0]}?" if close else ""
            available = ", ".join(self.names())
            message = f"unknown model {name!r}; available: {available}.{suggestion}"
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
        return None, mistakes + [_describe(name, mistake) for mistake in error.errors()]
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
    where = ".".join([name, *(str(part) for part in location if part not in _UNION_TAGS)])
    if location == ("name",):
        return f"{name}: {_NAME_RULE}"
    if mistake["type"] == "extra_forbidden":
        known = ModelSpec.model_fields if len(location) == 1 else ()
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        return f"{where}: unknown field; " + (f"did you mean {close[0]}?" if close else "remove it")
    if mistake["type"] == "string_pattern_mismatch" and len(location) == 1:
        expected = ModelSpec.model_fields[str(location[0])].description or ""
        return f"{where}: not valid; give {expected[:1].lower()}{expected[1:]}"
    return f"{where}: {mistake['msg'].removeprefix('Value error, ')}"
