"""The options of a project: the extra parameters of its ML backend in Label Studio."""

import json
from collections.abc import Mapping

from pydantic import Field, JsonValue, ValidationError

from seewhy.annotations.label_mapping import ClassesOfLabel
from seewhy.errors import InvalidRequest, RequestTooLarge
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.regions import DEFAULT_THRESHOLD, MAX_REGIONS, Threshold
from seewhy.schemas.request import MethodName
from seewhy_api.http.json_body import MAX_JSON_BYTES, MAX_VALUES, parse_json
from seewhy_api.http.problems import describe, mistakes_of

MAX_WAIT_S = 30.0


class BackendOptions(StrictModel):
    """What a project may choose. Unknown fields are refused."""

    model: str | None = Field(
        None, description="A model name from /v1/models. Default: the server's default model."
    )
    method: MethodName = Field("gradcam", description="The explanation method.")
    layer: str | None = Field(
        None, description="A layer of the model. Default: the model's target layer."
    )
    threshold: Threshold = Field(
        DEFAULT_THRESHOLD,
        description="The smallest evidence of a region: a fraction of the maximum, `otsu`, or a "
        "percentile of the map's cells such as `p90`.",
    )
    components: int = Field(
        1, strict=True, ge=1, le=MAX_REGIONS, description="How many regions to mark, largest first."
    )
    wait_s: float = Field(
        8.0,
        ge=0,
        le=MAX_WAIT_S,
        strict=True,
        description="How many seconds a request for predictions may wait for them.",
    )
    alias: dict[str, ClassesOfLabel] = Field(
        default_factory=dict,
        description="Label → the class that it stands for, by name or index, or several. `*` "
        "stands for every class.",
    )


def parse_options(parameters: str | Mapping[str, JsonValue] | None) -> BackendOptions:
    """Parse the extra parameters, an object or its text or nothing. Raises `InvalidRequest`."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters or {})
    if not text.strip():
        return BackendOptions()
    try:
        return BackendOptions.model_validate(parse_json(text))
    except RequestTooLarge as error:
        raise RequestTooLarge(
            f"The extra parameters have more than {MAX_JSON_BYTES:,} bytes or {MAX_VALUES:,} "
            "values."
        ) from error
    except ValidationError as error:
        mistakes = describe(mistakes_of(error))
        raise InvalidRequest(f"The extra parameters of the ML backend: {mistakes}.") from error
