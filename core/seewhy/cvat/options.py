"""What a function of CVAT may choose: its parameters."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from seewhy.annotations.label_mapping import ClassesOfLabel
from seewhy.errors import InvalidRequest
from seewhy.quoting import quote_mistake
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.regions import DEFAULT_THRESHOLD, MAX_REGIONS, Threshold
from seewhy.schemas.request import MethodName
from seewhy.schemas.targets import MAX_TARGETS


def _json(value: object) -> object:
    """Return what a text in JSON stands for; parameters of `cvat-cli` have no structure."""
    return json.loads(value) if isinstance(value, str) else value


def _names(value: object) -> object:
    """Return the names of a comma-separated list, or of a JSON array."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _json(value)
    return tuple(name.strip() for name in value.split(",") if name.strip())


class DetectorOptions(StrictModel):
    """What every function may choose. Unknown names are refused."""

    seewhy_url: str = Field("http://127.0.0.1:8000", description="The URL of the service.")
    api_key: SecretStr | None = Field(
        None, description="An API key with the scopes `submit` and `read`."
    )
    model: str | None = Field(None, description="A model of the catalog.")
    method: MethodName = Field("gradcam", description="The explanation method.")
    threshold: Threshold = Field(
        DEFAULT_THRESHOLD,
        description="The smallest evidence of a region: a fraction of the maximum, `otsu`, or a "
        "percentile such as `p90`.",
    )
    components: int = Field(
        1,
        strict=True,
        ge=1,
        le=MAX_REGIONS,
        description="How many regions of a class to mark, largest first.",
    )
    top: int = Field(
        1, strict=True, ge=1, le=MAX_TARGETS, description="How many classes to explain."
    )
    alias: Annotated[dict[str, ClassesOfLabel], BeforeValidator(_json)] = Field(
        default_factory=dict,
        description="Label → the class that it stands for, by name or index, a list of them, or "
        "`*` for every class. A JSON object.",
    )
    timeout_s: float = Field(
        300.0, gt=0, le=3600, description="How many seconds to wait for an explanation."
    )

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Self:
        """Check parameters. Raises `InvalidRequest`, which names every mistake."""
        try:
            return cls.model_validate(parameters)
        except ValidationError as error:
            mistakes = [
                f"{'.'.join(map(str, each['loc'])) or 'parameters'}: {quote_mistake(each)}"
                for each in error.errors(include_url=False, include_input=False)
            ]
            raise InvalidRequest("; ".join(mistakes)) from error


class FunctionOptions(DetectorOptions):
    """What a detection function of cvat-sdk may choose besides."""

    shape: Literal["mask", "polygon", "rectangle"] = Field(
        "mask", description="How a region is drawn."
    )
    labels: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = Field(
        None,
        min_length=1,
        description="The labels that the function offers, separated by commas or as a JSON array.",
    )
    skip_failed: bool = Field(
        False, description="Whether a frame that cannot be explained is left without annotations."
    )
