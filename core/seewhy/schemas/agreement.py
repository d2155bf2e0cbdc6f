"""Agreement: how well the evidence of a map lies where a person has marked the class."""

from pydantic import Field

from seewhy.schemas.base_models import StoredModel


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
