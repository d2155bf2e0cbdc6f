"""The files that a catalog entry names: the model, its weights and reference images."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from seewhy.schemas.base_models import StrictModel


def name_of_model(file: Path) -> str:
    """Derive a name for the catalog, which needs no quotes there, from that of a model file."""
    allowed = re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-_")
    return allowed[:64] or "model"


class ReferenceImage(StrictModel):
    """An image that others are compared with, and its digest."""

    file: str = Field(description="A path that starts at the folder of the catalog file.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


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
