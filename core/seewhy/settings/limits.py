"""The limits on what clients may use."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode


def _split_names(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _split_networks(value: object) -> object:
    if isinstance(value, str):
        return tuple(ip_network(text.strip()) for text in value.split(",") if text.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
"""Names, comma-separated in an environment variable."""
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_networks)
]
"""Networks in CIDR notation, comma-separated in an environment variable."""

PUBLIC_HOSTS = "public"
"""Stands for every host, in a list of hosts."""

REFERENCE_PIXELS = 100_000_000
"""The most pixels of a reference image in the catalog."""
MODEL_MEMORY_BYTES = 8_000_000_000
"""Enough for every network of `keras.applications`; the largest needs 6 GB."""


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
    api_streams_per_client: int = Field(
        128,
        ge=1,
        le=4096,
        description="The maximum number of open event streams of one client: one tenant at one "
        "address.",
    )
    api_connections: int = Field(
        4096,
        ge=16,
        le=65_536,
        description="The maximum number of open connections of one API process, as far as it may "
        "open files; at the limit, connections without a complete request header are closed.",
    )
    api_header_timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="Seconds in which a client must send a request header after it connects, or "
        "after the header's first byte.",
    )
    api_body_timeout_s: float = Field(
        300.0, gt=0, le=3600, description="Seconds in which a client must send a request body."
    )
    api_body_min_bytes_per_s: int = Field(
        1_000,
        ge=0,
        description="The minimum rate of a request body in every 10 seconds, and of a client that "
        "leaves something of a response unread in every 75, in bytes per second.",
    )
    api_buffered_bytes: int = Field(
        1_000_000_000,
        ge=1_000_000,
        description="The maximum size of all request bodies that one API process buffers, in "
        "bytes, and of all responses that clients have not read; what is larger than 64 kB is on "
        "disk. More bodies are refused with 503; for more responses, the connections that stall "
        "for longest are closed.",
    )
    max_upload_bytes: int = Field(
        10_000_000, ge=1_000, le=1_000_000_000, description="The maximum size of an image in bytes."
    )
    image_url_hosts: Names = Field(
        (),
        description="The hosts from which image_url may be downloaded, comma-separated: a name, "
        "`*.example.com` for its subdomains, either with `:port`, or `public` for every host. "
        "Unset: none.",
    )
    image_url_networks: Networks = Field(
        (),
        description="The private networks from which image_url may be downloaded, in CIDR "
        "notation, comma-separated. Its host must be allowed, too.",
    )
    image_url_timeout_s: float = Field(
        10.0, gt=0, le=20, description="Seconds that the download of an image_url may take."
    )
    image_url_downloads: int = Field(
        8,
        ge=1,
        le=128,
        description="The number of image_urls that one API process downloads at once, each in one "
        "of its threads; half of them may be for one tenant. More are refused with 503.",
    )
    image_buckets: Names = Field(
        (),
        description="The S3 buckets from which every client may have images read "
        "(`image_url` s3://BUCKET/KEY), comma-separated.",
    )
    max_pixels: int = Field(
        25_000_000,
        ge=1_000,
        le=178_000_000,
        description="The maximum size of an image in pixels, width times height.",
    )
    max_passes_per_request: int = Field(
        1_000,
        ge=1,
        description="The maximum number of forward passes that one explanation may take, as "
        "estimated for VGG16; more are refused with 422.",
    )
    max_passes_per_batch: int = Field(
        64,
        ge=1,
        description="The number of forward passes up to which jobs run in batches; longer jobs "
        "run one by one, in turns with the batches.",
    )
    model_memory_bytes: int = Field(
        MODEL_MEMORY_BYTES,
        ge=100_000_000,
        description="The maximum memory that loading a model file and one forward pass may take, "
        "in bytes.",
    )
    activation_cache_bytes: int = Field(
        128_000_000,
        ge=0,
        description="The memory in which a worker keeps activations of recent images for each "
        "model, in bytes; on a GPU it is memory of the device. 0 keeps none.",
    )
    model_check_timeout_s: float = Field(
        300.0,
        ge=10,
        le=3600,
        description="Seconds that the check of a model file may take, in `seewhy models check` "
        "and before a worker loads it.",
    )
    max_side_px: int = Field(
        16_384,
        ge=1_000,
        le=65_500,
        description="The maximum width and height of an image in pixels; JPEG ends at 65,500.",
    )
    api_megapixels: int = Field(
        32,
        ge=1,
        le=10_000,
        description="The megapixels that one API process decodes and draws at once, 13 MB each; "
        "more requests wait for their turn, or get 503.",
    )
    worker_megapixels: int = Field(
        50,
        ge=1,
        le=10_000,
        description="The megapixels that a worker decodes and draws at once, 13 MB each, and the "
        "megapixels that it keeps decoded, 3 MB each.",
    )
    refuse_unserved_after_s: int | None = Field(
        None,
        ge=0,
        description="Seconds without a worker that has the model loaded after which requests for "
        "the model are refused with 503; unset accepts them with a warning, so that an autoscaler "
        "can start workers for waiting jobs.",
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
    queue_limit_device_s: int = Field(
        1_000_000,
        ge=1,
        description="The maximum device time, in seconds, that the waiting jobs of one model and "
        "priority are estimated to take; more are refused with 503.",
    )
    tenant_queue_limit_device_s: int = Field(
        250_000,
        ge=1,
        description="The maximum device time, in seconds, that the waiting jobs of one tenant, "
        "model and priority are estimated to take; more are refused with 429.",
    )
    key_open_jobs: int = Field(
        100_000,
        ge=1,
        description="The maximum number of unfinished jobs of one API key; more are refused with "
        "429.",
    )
    key_submissions_per_minute: int = Field(
        6_000,
        ge=1,
        description="The maximum number of submissions of one API key in a minute; more are "
        "refused with 429.",
    )
    key_passes_per_minute: int = Field(
        100_000,
        ge=1,
        description="The maximum number of forward passes that the submissions of one API key in "
        "a minute may take, as estimated for VGG16; more are refused with 429.",
    )
    key_uploads_per_minute: int = Field(
        6_000,
        ge=1,
        description="The maximum number of images that one API key may send alone in a minute; "
        "more are refused with 429.",
    )
    key_uploaded_bytes_per_minute: int = Field(
        6_000_000_000,
        ge=1,
        description="The maximum number of bytes of the images that one API key may send alone in "
        "a minute; more are refused with 429.",
    )
    tenant_record_limit: int = Field(
        250_000,
        ge=1,
        description="The maximum number of records that Redis keeps of one tenant's jobs that were "
        "cancelled, expired or answered from the cache; while it is reached, further submissions "
        "are refused with 429.",
    )
    batch_max_items: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="The maximum number of items of a batch; more are refused with 413.",
    )
    batch_max_bytes: int = Field(
        500_000_000,
        ge=1_000_000,
        description="The maximum size of a request with the items of a batch, in bytes.",
    )
    tenant_batch_limit: int = Field(
        100,
        ge=1,
        description="The maximum number of unfinished batches of one tenant; more are refused with "
        "429.",
    )
    embedded_redis_bytes: int = Field(
        2_000_000_000,
        ge=10_000_000,
        description="The maximum memory of the Valkey that `seewhy up` starts, in bytes; beyond it "
        "submissions are refused with 503, and accepted jobs go on.",
    )

    @field_validator("image_url_hosts")
    @classmethod
    def _check_url_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[0-9]{1,5})?", host):
                raise ValueError(f"{host!r} is not a host name in lower case")
        return hosts
