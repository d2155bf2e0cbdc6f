"""The catalogue: which models there are, and everything known of them before one is loaded.

Read from `models.toml`: the one that ships in the package `seewhy_models`, then the operator's
own (`Settings.models_file`), whose tables replace shipped ones of the same name.
"""

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seewhy.errors import SettingsError, UnknownModel
from seewhy.schemas.geometry import Interpolation, ResizeRule
from seewhy.schemas.labels import Labels
from seewhy.schemas.methods import METHODS
from seewhy.settings import Settings

APPLICATIONS = "keras.applications:"

PerChannel = float | tuple[float, float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSize(_Frozen):
    """The height and width of the picture that the network takes, in pixels."""

    height_px: int = Field(ge=8, le=4096)
    width_px: int = Field(ge=8, le=4096)


class VggPreprocessing(_Frozen):
    """What `keras.applications.vgg16` was trained on: BGR minus the ImageNet mean."""

    kind: Literal["vgg16"]


class ScalePreprocessing(_Frozen):
    """RGB, 0 to 255, as `(x - mean) / std`; one number, or one per channel."""

    kind: Literal["scale"]
    mean: PerChannel = 0.0
    std: PerChannel = 1.0

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if 0.0 in (self.std if isinstance(self.std, tuple) else (self.std,)):
            raise ValueError("std must not be zero")
        return self


Preprocessing = Annotated[VggPreprocessing | ScalePreprocessing, Field(discriminator="kind")]


class Geometry(_Frozen):
    """How a picture meets the input: the whole of it stretched, or a centred square of it."""

    rule: ResizeRule = "stretch"
    fraction: float = Field(1.0, gt=0, le=1, description="Of the shorter side; for `crop`.")


class WeightsFile(_Frozen):
    """Weights published apart from the network's definition."""

    file: str = Field(pattern=r"^[\w.-]+$")
    url: str = Field(pattern=r"^https?://")
    digest: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")


class RandomWeights(_Frozen):
    """Weights drawn from a seeded generator. For tests and benchmarks: they recognise nothing."""

    random_seed: int = Field(ge=0)


class ModelSpec(_Frozen):
    """One model of the catalogue."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    folder: Path = Field(description="Where relative file names start. Set by the catalogue.")
    source: str = Field(
        pattern=r"^(keras\.applications:[A-Z]\w+|[^:]+\.(keras|h5))$",
        description="`keras.applications:NAME`, or a .keras or .h5 file.",
    )
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="Of the model file.")
    weights: WeightsFile | RandomWeights | None = Field(
        None, description="For keras.applications; a model file carries its own."
    )
    input: InputSize
    preprocessing: Preprocessing
    geometry: Geometry = Geometry()
    interpolation: Interpolation = "bilinear"
    labels_file: str = Field(description="The class names, one a line, in index order.")
    layer: str | None = Field(
        None, description="The target layer; unset: the last one with a spatial output."
    )
    layers: tuple[str, ...] = Field((), description="Others that may be asked for, or fused.")
    output: str | None = Field(None, description="The scores, where there are several outputs.")
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32", description="What the network computes in; mixed ones are for GPUs."
    )
    max_batch: int = Field(32, ge=1, le=32)
    methods: tuple[str, ...] = Field(METHODS, min_length=1)

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [method for method in methods if method not in METHODS]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; there are: {', '.join(METHODS)}")
        return methods

    @model_validator(mode="after")
    def _one_origin_of_weights(self) -> Self:
        if self.is_application and (self.weights is None or self.sha256 is not None):
            raise ValueError("a keras.applications source needs `weights`, and no `sha256`")
        if not self.is_application and (self.weights is not None or self.sha256 is None):
            raise ValueError("a .keras or .h5 source needs `sha256`, and no `weights`")
        return self

    @property
    def is_application(self) -> bool:
        """Whether the network's definition is one of `keras.applications`."""
        return self.source.startswith(APPLICATIONS)

    @property
    def digest(self) -> str:
        """What identifies the weights: `sha256:…`, `md5:…` or `random:SEED`."""
        if isinstance(self.weights, RandomWeights):
            return f"random:{self.weights.random_seed}"
        return self.weights.digest if self.weights else f"sha256:{self.sha256}"

    @cached_property
    def fingerprint(self) -> str:
        """What an explanation by this model depends on, as a SHA-256."""
        entry = self.model_dump_json(exclude={"folder", "methods", "max_batch"})
        return hashlib.sha256("\n".join([entry, *self.labels]).encode()).hexdigest()

    @property
    def offered_layers(self) -> tuple[str, ...]:
        """The layers that a request may name."""
        own = (self.layer,) if self.layer else ()
        return tuple(dict.fromkeys((*self.layers, *own)))

    @cached_property
    def labels(self) -> Labels:
        """The class names, read once; the catalogue has checked that they can be read."""
        return Labels.read(self.folder / self.labels_file)


class Catalog:
    """The models by name."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = dict(models)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read the shipped catalogue and the operator's.

        Raises `SettingsError` that names the file and every mistake in it.
        """
        models = _read(Path(str(resources.files("seewhy_models"))) / "models.toml")
        if settings.models_file is not None:
            models |= _read(settings.models_file.absolute())
        return cls(models)

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._models))

    def get(self, name: str) -> ModelSpec:
        """The model of that name; raises `UnknownModel`, which lists what there is."""
        try:
            return self._models[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._models, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            known = ", ".join(self.names())
            message = f"there is no model {name!r}; there are: {known}.{hint}"
            raise UnknownModel(message) from None


def _read(path: Path) -> dict[str, ModelSpec]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the catalogue {path} cannot be read: {error}") from error
    models: dict[str, ModelSpec] = {}
    mistakes: list[str] = []
    for name, table in tables.items():
        try:
            models[name] = _spec(name, table, path.parent)
        except ValidationError as error:
            mistakes += [_line(name, dict(mistake)) for mistake in error.errors()]
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(f"{name}.labels_file: {error}")
    if mistakes:
        listed = "\n  ".join(mistakes)
        raise SettingsError(f"the catalogue {path} holds mistakes:\n  {listed}")
    return models


def _spec(name: str, table: Any, folder: Path) -> ModelSpec:
    # A bare key at the top of the file is no table: let validation say what is missing.
    fields = table if isinstance(table, dict) else {}
    given_by_us = {"name": name, "folder": folder}
    if fields.keys() & given_by_us.keys():
        raise OSError("name and folder are not fields: the table's title is the name")
    spec = ModelSpec.model_validate({**fields, **given_by_us})
    if not len(spec.labels):
        raise OSError(f"{folder / spec.labels_file} names no class")
    return spec


def _line(name: str, mistake: Mapping[str, Any]) -> str:
    where = ".".join([name, *(str(part) for part in mistake["loc"])])
    if mistake["type"] == "extra_forbidden":
        return f"{where}: there is no such field"
    return f"{where}: {mistake['msg']}"
