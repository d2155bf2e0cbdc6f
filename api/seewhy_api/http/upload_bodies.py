"""The bodies of requests that bring an image, as the OpenAPI document describes them.

`seewhy_api.http.parsing` reads them: it takes the image out first, at a bounded cost.
"""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.request import ExplanationRequest
from seewhy_api.http.explanation_body import ResponseModel

IMAGE_TYPES = "image/jpeg, image/png, image/webp"

FileContent = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]


class ImageForm(StrictModel):
    """The part of a multipart body that has an image alone."""

    image: FileContent = Field(description="A JPEG, PNG or WebP file.")


class SubmissionForm(ImageForm):
    """The parts of a multipart body that submits an image."""

    request: ExplanationRequest = Field(ExplanationRequest(), description="What to explain.")


class Base64Image(StrictModel):
    """An image in JSON."""

    image_base64: str = Field(
        min_length=1,
        json_schema_extra={"contentEncoding": "base64"},
        description="A JPEG, PNG or WebP file in base64.",
    )


class KnownImage(StrictModel):
    """An image that was sent before."""

    image_id: str = Field(
        pattern="^[0-9a-f]{64}$", description="The SHA-256 of the file, from `POST /v1/images`."
    )


class RemoteImage(StrictModel):
    """An image at a URL."""

    image_url: str = Field(
        min_length=1,
        description="An https, http or s3 URL, of a host or bucket that the operator has allowed.",
    )


class Base64Submission(ExplanationRequest, Base64Image):
    """The fields of a request, and the image."""


class KnownImageSubmission(ExplanationRequest, KnownImage):
    """The fields of a request, and the id of the image."""


class RemoteImageSubmission(ExplanationRequest, RemoteImage):
    """The fields of a request, and the URL of the image."""


class Image(ResponseModel):
    """An image that the service has stored."""

    image_id: str = Field(description="The SHA-256 of the file.")
    media_type: str
    width_px: int = Field(description="The width of the upright image.")
    height_px: int
