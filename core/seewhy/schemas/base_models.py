"""Two base classes: one refuses unknown fields, the other ignores them."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Input from a client or an operator. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredModel(BaseModel):
    """Data that one version writes and another version reads. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)
