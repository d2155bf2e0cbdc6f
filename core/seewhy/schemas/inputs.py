"""The values of a network's inputs beside the image, such as the age of a patient."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from seewhy.errors import InvalidRequest
from seewhy.quoting import quote

MAX_NUMBERS = 64
MAX_INPUTS = 16


def _as_list(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("give a number, or a list of numbers")  # noqa: TRY004 - read by Pydantic
    return [value]


InputNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Numbers = Annotated[tuple[InputNumber, ...], Field(min_length=1, max_length=MAX_NUMBERS)]
InputValues = Annotated[
    _Numbers, BeforeValidator(_as_list, json_schema_input_type=InputNumber | _Numbers)
]
"""The numbers of one input; a single number may stand for itself."""


def merge_inputs(
    defaults: Mapping[str, tuple[float, ...]], requested: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """Return the values of all inputs: those of the request, and the catalog's for the others.

    Raises `InvalidRequest` for an input that the model does not have, or another count of numbers.
    """
    for name, values in requested.items():
        if name not in defaults:
            known = ", ".join(defaults) or "none beside the image"
            raise InvalidRequest(f"the model has no input {quote(name)}; its inputs are: {known}")
        if len(values) != len(defaults[name]):
            raise InvalidRequest(
                f"the input {quote(name)} takes {len(defaults[name])} numbers, not {len(values)}"
            )
    return {**defaults, **requested}
