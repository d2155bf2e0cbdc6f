"""Targets: the class, contrast, counter-evidence or value that a map explains."""

import json
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from seewhy.errors import InvalidRequest
from seewhy.quoting import quote
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.labels import Labels
from seewhy.schemas.methods import CatalogScores

MAX_TARGETS = 20
MAX_RIVALS = 5


def _integer(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


ClassNameOrIndex = Annotated[StrictInt, BeforeValidator(_integer)] | StrictStr
"""JSON has one kind of number: 7.0 is the class 7."""


class Contrast(StrictModel):
    """The evidence for a class beyond the mean of its rivals: why this class and not those?"""

    model_config = ConfigDict(serialize_by_alias=True)

    why: ClassNameOrIndex = Field(description="A class name or index, or `predicted`.")
    rivals: tuple[ClassNameOrIndex, ...] = Field(
        alias="not", min_length=1, max_length=MAX_RIVALS, description="One to five rival classes."
    )


class Against(StrictModel):
    """The evidence against a class: pixels that lower its score."""

    against: ClassNameOrIndex = Field(description="A class name or index, or `predicted`.")


class Output(StrictModel):
    """The evidence for a high value of an output, of a model that outputs values."""

    output: ClassNameOrIndex = Field(description="The index or the name of an output.")


OneTarget = ClassNameOrIndex | Contrast | Against | Output
RequestedTargets = (
    Literal["predicted"]
    | Annotated[str, Field(pattern=r"^top:([1-9]|1[0-9]|20)$")]
    | Annotated[list[OneTarget], Field(min_length=1, max_length=MAX_TARGETS)]
    | Contrast
    | Against
    | Output
)
"""The `targets` field of a request."""

_TARGETS: TypeAdapter[RequestedTargets] = TypeAdapter(RequestedTargets)


class Target(StrictModel):
    """A resolved target. The explained score is ±(class - mean of its rivals)."""

    index: int
    """A class index, or -r for the r-th most probable class."""
    rivals: tuple[int, ...] = ()
    """In the same form; empty for a plain class."""
    against: bool = False
    """Whether the sign of the score is reversed."""


TargetOrIndex = int | Target
"""A plain class is stored as its index alone."""


def as_target(target: TargetOrIndex) -> Target:
    """Return the target as a `Target`."""
    return target if isinstance(target, Target) else Target(index=target)


def has_comparison(targets: RequestedTargets) -> bool:
    """Whether any of a request's targets is more than a plain class or output."""
    each = targets if isinstance(targets, list) else [targets]
    return any(isinstance(one, Contrast | Against) for one in each)


def has_contrast(targets: RequestedTargets) -> bool:
    """Whether any of a request's targets names its rivals."""
    each = targets if isinstance(targets, list) else [targets]
    return any(isinstance(one, Contrast) for one in each)


def resolve_targets(
    targets: RequestedTargets, labels: Labels, outputs: CatalogScores = "classes"
) -> tuple[TargetOrIndex, ...]:
    """Resolve a request's targets to class indices; -r is the r-th most probable class.

    `labels` name the classes, the references of an embedding, or the outputs of a model of values.
    Raises `UnknownClass` when the model has no such class or output. Raises `InvalidRequest` when a
    target or a class of a contrast is repeated, when the model has too few classes, or when the
    targets do not suit its `outputs`.
    """
    try:
        targets = _TARGETS.validate_python(targets)
    except ValidationError as error:
        message = (
            "targets must be 'predicted', 'top:1' to 'top:20', {'why': X, 'not': [Y]}, "
            f"{{'against': X}}, {{'output': X}}, or a list of classes and such objects, not "
            f"{quote(targets)}"
        )
        raise InvalidRequest(message) from error
    if outputs == "values":
        targets = _of_values(targets, labels)
    if isinstance(targets, str):
        count = 1 if targets == "predicted" else int(targets.removeprefix("top:"))
        resolved: tuple[TargetOrIndex, ...] = tuple(-rank for rank in range(1, count + 1))
        if count > len(labels):
            message = f"targets asks for {count} classes, but the model has only {len(labels)}"
            raise InvalidRequest(message)
        return resolved
    each = targets if isinstance(targets, list) else [targets]
    if outputs != "values" and any(isinstance(target, Output) for target in each):
        raise InvalidRequest("the model outputs classes; name a class instead of `output`")
    resolved = tuple(_resolve(target, labels) for target in each)
    for target in resolved:
        if resolved.count(target) > 1:
            index = as_target(target).index
            named = labels[index] if index >= 0 else "predicted"
            raise InvalidRequest(f"targets names a class more than once: {index} ({named})")
    return resolved


def _of_values(targets: RequestedTargets, labels: Labels) -> list[OneTarget]:
    """Return the targets of a model of values; its only output is the default."""
    if targets == "predicted" and len(labels) == 1:
        return [0]
    each: list[OneTarget] = targets if isinstance(targets, list) else [targets]
    for target in each:
        named = target.against if isinstance(target, Against) else target
        if isinstance(target, Contrast) or named == "predicted" or isinstance(targets, str):
            raise InvalidRequest(
                "the model outputs values, which are not ranked or contrasted as classes are; name "
                f'an output as a target, such as {{"output": {json.dumps(labels[0])}}}'
            )
    return each


def _resolve(target: OneTarget, labels: Labels) -> TargetOrIndex:
    if isinstance(target, Contrast):
        why = _class_index(target.why, labels)
        rivals = tuple(_class_index(rival, labels) for rival in target.rivals)
        if len({why, *rivals}) <= len(rivals):
            raise InvalidRequest("targets names a class more than once in `why` and `not`")
        return Target(index=why, rivals=rivals)
    if isinstance(target, Against):
        return Target(index=_class_index(target.against, labels), against=True)
    if isinstance(target, Output):
        return labels.index_of(target.output)
    return _class_index(target, labels)


def _class_index(name: ClassNameOrIndex, labels: Labels) -> int:
    return -1 if name == "predicted" else labels.index_of(name)
