"""Trust: what putting a map to the test has shown. docs/trust.md says what each number means."""

from pydantic import BaseModel, ConfigDict, Field


class TrustScores(BaseModel):
    """How far a class's probability follows its map, and how well the map lies in a box.

    None where it was not asked for or cannot be said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    insertion: float | None = Field(
        None,
        description="Area under the probability while pixels come in, strongest first: 0 to 1, "
        "more is better.",
    )
    deletion: float | None = Field(None, description="Likewise while they go: less is better.")
    drop: float | None = Field(
        None, description="The part of the probability lost when the evidence alone is shown."
    )
    increase: bool | None = Field(None, description="Whether the probability is higher then.")
    times_better_than_chance: float | None = Field(
        None, description="By insertion and deletion: 1 is what random maps get."
    )
    pointing_hit: bool | None = Field(
        None, description="Whether the strongest cell's centre is in the box."
    )
    energy_in_box: float | None = Field(
        None, description="The part of the positive evidence that is in the box."
    )
