"""Trust scores: the faithfulness and localization metrics of a map."""

from pydantic import Field

from seewhy.schemas.base_models import StoredModel


class TrustScores(StoredModel):
    """How well a map predicts the class's probability, and how well it fits a box.

    A metric is None when it was not requested or is not defined for the map.
    """

    insertion: float | None = Field(
        None,
        description="Area under the curve of the class's probability while pixels are inserted, "
        "strongest evidence first. 0 to 1; higher is better.",
    )
    deletion: float | None = Field(
        None, description="The same area while pixels are deleted. 0 to 1; lower is better."
    )
    drop: float | None = Field(
        None,
        description="The share of the probability that is lost when only the evidence is visible.",
    )
    increase: bool | None = Field(
        None, description="Whether the probability rises when only the evidence is visible."
    )
    times_better_than_chance: float | None = Field(
        None, description="Insertion and deletion relative to random maps, which score 1."
    )
    pointing_hit: bool | None = Field(
        None, description="Whether the center of the strongest cell lies in the box."
    )
    energy_in_box: float | None = Field(
        None, description="The share of the positive evidence that lies in the box. 0 to 1."
    )
