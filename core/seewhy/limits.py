"""The limits on what clients may use."""

from pydantic import Field
from pydantic_settings import BaseSettings


class Limits(BaseSettings):
    """The limits among the settings. `seewhy.settings` reads their values."""

    api_threads: int = Field(
        32,
        ge=2,
        le=256,
        description="The number of requests that one API process serves at once; at most half of "
        "them may be long polls.",
    )
    api_streams: int = Field(
        256,
        ge=1,
        le=4096,
        description="The maximum number of open event streams of one API process; each uses an "
        "additional thread.",
    )
    max_upload_bytes: int = Field(
        10_000_000, ge=1_000, le=1_000_000_000, description="The maximum size of an image in bytes."
    )
    max_pixels: int = Field(
        25_000_000,
        ge=1_000,
        le=178_000_000,
        description="The maximum size of an image in pixels, width times height.",
    )
    queue_limit: int = Field(
        1_000_000,
        ge=1,
        description="The maximum number of unfinished jobs of one model and priority; more are "
        "refused with 503.",
    )
    tenant_queue_limit: int = Field(
        250_000,
        ge=1,
        description="The maximum number of unfinished jobs of one tenant, model and priority; "
        "more are refused with 429.",
    )
