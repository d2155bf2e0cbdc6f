"""What `explain_many` yields for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from seewhy.client.batch import ItemResult
from seewhy.client.connection import Connection
from seewhy.client.errors import ExplanationFailed, ImageNotExplained
from seewhy.client.explanation import Explanation
from seewhy.client.images import Image
from seewhy.client.responses import Problem
from seewhy.schemas.job import JobState


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """One image, and its explanation or the reason why there is none."""

    image: Image
    """The image as it was given."""
    explanation: Explanation | None = None
    """None if the image was refused or could not be read."""
    error: Problem | None = None
    """None exactly if the explanation has a result."""
    resumed: bool = False
    """Whether the journal had it already: from an earlier run, or an earlier copy of the image."""

    @classmethod
    def of(
        cls,
        image: Image,
        outcome: Mapping[str, Any],
        *,
        connection: Connection,
        resumed: bool = False,
    ) -> Self:
        """Make a result of what a journal records. Raises `ValidationError`."""
        if fields := outcome.get("explanation"):
            explanation = Explanation.model_validate(fields).connected_to(connection)
            return cls(
                image=image,
                explanation=explanation,
                error=_error_of(explanation),
                resumed=resumed,
            )
        error = Problem.model_validate(outcome["error"])
        return cls(image=image, error=error, resumed=resumed)

    @classmethod
    def unreadable(cls, image: Image, error: OSError) -> Self:
        """Make the result of a file that cannot be read."""
        detail = f"{_text_of(image)}: {error.strerror or error}"
        return cls(image=image, error=Problem(code="unreadable_file", detail=detail))

    def require_explanation(self) -> Explanation:
        """Return the explanation, which has a result.

        Raises `ExplanationFailed`, or `ImageNotExplained` for an image without an explanation.
        """
        if self.explanation is None:
            raise ImageNotExplained(self.error or Problem(code="unknown", detail="no explanation"))
        if self.error:
            raise ExplanationFailed(self.explanation)
        return self.explanation

    def rows(self) -> list[dict[str, Any]]:
        """Return rows as `Explanation.rows` does, with the image."""
        named = {"image": _text_of(self.image)}
        if self.explanation:
            return [named | row for row in self.explanation.rows()]
        return [named | {"error": self.error and self.error.code}]


def outcome_of(item: ItemResult) -> dict[str, Any]:
    """Return what a journal records of an item that has ended."""
    if item.explanation:
        return {"explanation": item.explanation.to_dict()}
    error = item.error or _ended_as(item.status)
    return {"error": {"code": error.code, "detail": error.detail}}


def _text_of(image: Image) -> str:
    return "bytes" if isinstance(image, bytes) else str(image)


def _error_of(explanation: Explanation) -> Problem | None:
    if explanation.status is JobState.SUCCEEDED:
        return None
    return explanation.error or _ended_as(explanation.status)


def _ended_as(status: str) -> Problem:
    return Problem(code=str(status), detail=f"the item has ended as {status}")
