"""Targets: what a map speaks for. A class, a contrast of classes, or what speaks against one."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from seewhy.errors import InvalidRequest
from seewhy.schemas.labels import Labels

MAX_TARGETS = 20
MAX_RIVALS = 5


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


ClassName = StrictInt | StrictStr


class Contrast(_Frozen):
    """Why this class and not those: what speaks for it more than for the mean of its rivals."""

    why: ClassName = Field(description="A class name or index, or `predicted`.")
    rivals: tuple[ClassName, ...] = Field(
        alias="not", min_length=1, max_length=MAX_RIVALS, description="Likewise, one to five."
    )


class Against(_Frozen):
    """What speaks against a class: evidence that its absence would raise the score."""

    against: ClassName = Field(description="A class name or index, or `predicted`.")


RequestedTargets = (
    Literal["predicted"]
    | Annotated[str, Field(pattern=r"^top:([1-9]|1[0-9]|20)$")]
    | Annotated[list[ClassName | Contrast | Against], Field(min_length=1, max_length=MAX_TARGETS)]
    | Contrast
    | Against
)
"""As a request has them."""

_TARGETS: TypeAdapter[RequestedTargets] = TypeAdapter(RequestedTargets)


class Target(_Frozen):
    """One target, resolved: the score that is explained is ±(class - mean of its rivals)."""

    index: int
    """A class index, or -r for the r-th most probable class."""
    rivals: tuple[int, ...] = ()
    """In the same form; nothing for a plain class."""
    against: bool = False
    """Whether the score's sign is turned."""


TargetOrIndex = int | Target
"""A plain class is written as its index alone."""


def as_target(target: TargetOrIndex) -> Target:
    """Spell a target out."""
    return target if isinstance(target, Target) else Target(index=target)


def has_comparison(targets: RequestedTargets) -> bool:
    """Whether any of a request's targets is more than a plain class."""
    each = targets if isinstance(targets, list) else [targets]
    return any(isinstance(one, Contrast | Against) for one in each)


def has_contrast(targets: RequestedTargets) -> bool:
    """Whether any of a request's targets names its rivals."""
    each = targets if isinstance(targets, list) else [targets]
    return any(isinstance(one, Contrast) for one in each)


def resolve_targets(targets: RequestedTargets, labels: Labels) -> tuple[TargetOrIndex, ...]:
    """Turn a request's targets into class indices; -r stands for the r-th most probable class.

    Raises `UnknownClass` for what the model does not have, and `InvalidRequest` when a target is
    asked for twice, a contrast names a class twice or more classes are asked for than there are.
    """
    try:
        targets = _TARGETS.validate_python(targets)
    except ValidationError as error:
        message = (
            "targets must be 'predicted', 'top:1' to 'top:20', {'why': X, 'not': [Y]}, "
            f"{{'against': X}}, or a list of classes and such, not {targets!r}"
        )
        raise InvalidRequest(message) from error
    if isinstance(targets, str):
        count = 1 if targets == "predicted" else int(targets.removeprefix("top:"))
        resolved: tuple[TargetOrIndex, ...] = tuple(-rank for rank in range(1, count + 1))
        if count > len(labels):
            message = f"{count} classes were asked for, but the model has only {len(labels)}"
            raise InvalidRequest(message)
        return resolved
    each = targets if isinstance(targets, list) else [targets]
    resolved = tuple(_resolve(target, labels) for target in each)
    for target in resolved:
        if resolved.count(target) > 1:
            index = as_target(target).index
            named = labels[index] if index >= 0 else "predicted"
            raise InvalidRequest(f"targets name a class more than once: {index} ({named})")
    return resolved


def _resolve(target: ClassName | Contrast | Against, labels: Labels) -> TargetOrIndex:
    if isinstance(target, Contrast):
        why = _named(target.why, labels)
        rivals = tuple(_named(rival, labels) for rival in target.rivals)
        if len({why, *rivals}) <= len(rivals):
            raise InvalidRequest("targets name a class more than once in `why` and `not`")
        return Target(index=why, rivals=rivals)
    if isinstance(target, Against):
        return Target(index=_named(target.against, labels), against=True)
    return _named(target, labels)


def _named(wanted: ClassName, labels: Labels) -> int:
    return -1 if wanted == "predicted" else labels.index_of(wanted)
