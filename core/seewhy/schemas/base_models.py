"""The two base classes of all schemas: one refuses unknown fields, one ignores them."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Input from a client or an operator. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredModel(BaseModel):
    """Data that one version writes and another version may read. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)
