"""The image that a request compares the embedding of its image with."""

from pydantic import Field

from seewhy.schemas.base_models import StoredModel, StrictModel
from seewhy.schemas.labels import Labels

REFERENCE_LABELS = Labels(["reference"], noun="reference")
"""What takes the place of the references of the catalog."""


class RequestReference(StrictModel):
    """An image that the tenant has sent before."""

    image_id: str = Field(
        pattern="^[0-9a-f]{64}$", description="The SHA-256 of the file, from `POST /v1/images`."
    )


class StoredReference(StoredModel):
    """The same image in a job."""

    key: str
    """Where the object store has it."""
    width_px: int
    height_px: int
