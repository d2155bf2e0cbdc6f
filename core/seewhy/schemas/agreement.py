"""Agreement: how well the evidence of a map lies where a person has marked the class."""

from datetime import datetime

from pydantic import Field

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.result import ClassScore

MAX_EXAMINED = 50_000
"""Agreements of a project that are ranked."""


class Agreement(StoredModel):
    """A map compared with the annotated pixels of its image.

    All but `coverage` are None when the map is not finite or has no positive evidence, and when
    the network sees none of the annotated pixels.
    """

    pointing_hit: bool | None = Field(
        None, description="Whether the center of the strongest cell is annotated."
    )
    energy_inside: float | None = Field(
        None,
        description="The share of the positive evidence that lies inside the annotation, 0 to 1; "
        "higher is better. Evidence that is spread evenly has `coverage`.",
    )
    coverage: float = Field(
        description="The share of what the network sees of the image that is annotated, 0 to 1: "
        "the chance level of `energy_inside`."
    )
    iou: float | None = Field(
        None,
        description="Intersection over union of the evidence above the threshold and the "
        "annotation, 0 to 1; higher is better.",
    )


class MeasuredAgreement(StoredModel):
    """How well an explanation agrees with an annotation of Label Studio."""

    explanation: str = Field(description="The id of the explanation.")
    project: int = Field(description="The id of the project in Label Studio.")
    task: int
    annotation: int
    annotated_at: datetime
    model: str
    method: str
    layer: str
    threshold: str = Field(description="The smallest evidence that counts for `iou`.")
    target: ClassScore = Field(
        description="The explained class: the annotated one, or without one the most probable one."
    )
    is_predicted: bool = Field(description="Whether it is the most probable class.")
    agreement: Agreement


class ProjectAgreements(StoredModel):
    """The worst agreements of a project."""

    agreements: tuple[MeasuredAgreement, ...] = Field(description="Worst first.")
    found: int = Field(description="How many annotations of the project have an agreement.")
    is_complete: bool = Field(
        description=f"False when the project has more than {MAX_EXAMINED:,}: the others were not "
        "examined."
    )
