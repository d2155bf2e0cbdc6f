"""The fields of one model in the catalog."""

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from seewhy.catalog.model_files import RandomWeights, ReferenceImage, Weights
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.channels import Channels
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.geometry import Interpolation, ResizeRule
from seewhy.schemas.inputs import InputValues
from seewhy.schemas.installed_methods import known_methods, method_names
from seewhy.schemas.labels import Labels
from seewhy.schemas.methods import CatalogScores, OutputKind

APPLICATIONS = "keras.applications:"

ONLY_VALUE = "value"
"""The name of the only output of a model of values that names none."""

MAX_REFERENCES = 1000

PerChannel = float | tuple[float, float, float]

_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"


def _check_module(name: str) -> str:
    if not re.fullmatch(_MODULE, name, re.ASCII):
        raise ValueError("not the name of a Python module; give a name as in `import my_layers`")
    return name


def _check_function(reference: str) -> str:
    if not re.fullmatch(rf"{_MODULE}:[A-Za-z_]\w*", reference, re.ASCII):
        raise ValueError("not a function of a module; give MODULE:FUNCTION")
    return reference


ModuleName = Annotated[str, AfterValidator(_check_module)]


class InputSize(StrictModel):
    """The height and width of the network's input, in pixels."""

    height_px: int = Field(ge=8, le=4096)
    width_px: int = Field(ge=8, le=4096)


class VggPreprocessing(StrictModel):
    """The preprocessing of `keras.applications.vgg16`: BGR minus the ImageNet mean."""

    kind: Literal["vgg16"]


class ScalePreprocessing(StrictModel):
    """`(x - mean) / std` of 0 to 255; one number for all channels, or one for each of RGB."""

    kind: Literal["scale"]
    mean: PerChannel = 0.0
    std: PerChannel = 1.0

    @model_validator(mode="after")
    def _check_std(self) -> Self:
        if 0.0 in (self.std if isinstance(self.std, tuple) else (self.std,)):
            raise ValueError("std must not be zero")
        return self


class ModulePreprocessing(StrictModel):
    """A function of a module of the operator: RGB (H, W, 3), 0 to 255 → float (H, W, 3).

    With one channel, both are (H, W, 1).
    """

    kind: Literal["module"]
    function: Annotated[str, AfterValidator(_check_function)]


Preprocessing = Annotated[
    VggPreprocessing | ScalePreprocessing | ModulePreprocessing, Field(discriminator="kind")
]


class Geometry(StrictModel):
    """How an image is fitted to the input: stretched as a whole, or a centered square crop."""

    rule: ResizeRule = "stretch"
    fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="The side of a crop by the image's shorter side.",
    )


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
    modules: tuple[ModuleName, ...] = Field(
        (),
        description="Python modules that workers import before they load the model: the classes "
        "that they define and register with Keras may occur in the model file.",
    )
    code_version: str = Field(
        "",
        max_length=64,
        description="Any text. Change it with the code of the modules, so that results of the old "
        "code are not reused.",
    )
    input: InputSize
    preprocessing: Preprocessing
    geometry: Geometry = Geometry()
    interpolation: Interpolation = "bilinear"
    channels: Channels = Field(
        "rgb",
        description="What the network sees: `rgb`, or one channel: `luma`, or the weights of red, "
        "green and blue.",
    )
    scores: CatalogScores = Field(
        "classes",
        description="What the network outputs: scores of `classes`, `values` such as an age, "
        "`segments`, which are scores of classes for each pixel, or an `embedding`, which is "
        "compared with those of `references`.",
    )
    references: Mapping[Annotated[str, Field(min_length=1, max_length=128)], ReferenceImage] = (
        Field(
            default_factory=dict,
            max_length=MAX_REFERENCES,
            description="The images that an embedding is compared with, by the name of each.",
        )
    )
    labels_file: str | None = Field(
        None,
        description="The file of class names, one per line, in index order. For values: the names "
        "of the outputs, if there are several.",
    )
    layer: str | None = Field(
        None, description="The target layer; unset means that seewhy chooses it (docs/models.md)."
    )
    layers: tuple[str, ...] = Field((), description="Other layers that a request may name.")
    inputs: Mapping[Annotated[str, Field(pattern=r"^\S{1,64}$")], InputValues] = Field(
        default_factory=dict,
        description="The values of the network's inputs beside the image, by name: a number or a "
        "list of numbers each. A request may give others.",
    )
    output: str | None = Field(
        None, description="The output with the scores, if the network has several outputs."
    )
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32",
        description="The number format of the network; the mixed formats are for GPUs.",
    )
    engine: EngineChoice = Field(
        "auto",
        description="What computes the activations; auto leaves it to the worker's setting.",
    )
    calibration: str | None = Field(
        None,
        description="A folder of images like those that will be explained; workers compare the "
        "engines on them.",
    )
    max_batch: int = Field(32, ge=1, le=32, description="The maximum number of images in a batch.")
    methods: tuple[str, ...] = Field(
        default_factory=lambda fields: _methods_for(fields.get("scores", "classes")),
        min_length=1,
        description="The methods that a request may name.",
    )

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        available = method_names()
        unknown = [method for method in methods if method not in available]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; available: {', '.join(available)}")
        return methods

    @model_validator(mode="after")
    def _check_scores(self) -> Self:
        if (self.scores == "embedding") != bool(self.references):
            raise ValueError('scores = "embedding" and `references` need each other')
        if self.references and self.labels_file:
            raise ValueError("the names of `references` are the labels; remove `labels_file`")
        if self.scores in {"classes", "segments"} and self.labels_file is None:
            raise ValueError("a model of classes needs `labels_file`, with one name per line")
        unsuitable = set(self.methods) - set(_methods_for(self.scores))
        if unsuitable:
            raise ValueError(
                f"{', '.join(sorted(unsuitable))}: compares classes, not {self.scores}"
            )
        return self

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if self.channels == "rgb":
            return self
        rule = self.preprocessing
        if rule.kind == "vgg16":
            raise ValueError("`preprocessing` of the kind vgg16 needs three channels, not one")
        if rule.kind == "scale" and (tuple in map(type, (rule.mean, rule.std))):
            raise ValueError("a model of one channel takes one `mean` and one `std`, not three")
        return self

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
    def outputs(self) -> OutputKind:
        """What the network outputs. An embedding is values, until it is compared."""
        return "values" if self.scores == "embedding" else self.scores

    @property
    def digest(self) -> str:
        """The identity of the weights: `sha256:…`, `md5:…` or `random:SEED`."""
        if isinstance(self.weights, RandomWeights):
            return f"random:{self.weights.random_seed}"
        return self.weights.digest if self.weights else f"sha256:{self.sha256}"

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of everything in the catalog that an explanation depends on."""
        entry = self.model_dump_json(exclude={"folder", "methods", "max_batch", "calibration"})
        return hashlib.sha256("\n".join([entry, *self.labels]).encode()).hexdigest()

    @property
    def offered_layers(self) -> tuple[str, ...]:
        """The layers that a request may name."""
        own = (self.layer,) if self.layer else ()
        return tuple(dict.fromkeys((*self.layers, *own)))

    @cached_property
    def labels(self) -> Labels:
        """The names of the classes or values, read once.

        Raises `OSError` or `UnicodeDecodeError`.
        """
        if self.references:
            return Labels(self.references, noun="reference")
        noun = "output" if self.scores == "values" else "class"
        if self.labels_file is None:
            return Labels([ONLY_VALUE], noun=noun)
        return Labels.read(self.folder / self.labels_file, noun=noun)


def _methods_for(scores: CatalogScores) -> tuple[str, ...]:
    """Return the methods that suit such scores."""
    known = known_methods()
    return tuple(
        name for name in method_names() if scores == "classes" or not known[name].chooses_rivals
    )
