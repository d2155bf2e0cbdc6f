"""The one place that reads the environment."""

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from seewhy.errors import SettingsError
from seewhy.schemas.webhook_secrets import parse_secrets

PREFIX = "SEEWHY_"


class Settings(BaseSettings):
    """What an operator can set, one `SEEWHY_…` variable per field. Frozen after `load`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(redis|rediss|unix)://",
        description="The ledger and the Celery broker.",
    )
    store_url: str = Field(
        "s3://seewhy",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|file:///.+)$",
        description="Where pictures and results live: s3://BUCKET or file:///DIRECTORY.",
    )
    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="Unset means AWS itself."
    )
    s3_public_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="The endpoint that presigned links name, where clients need another.",
    )
    s3_region: str = Field("us-east-1", description="The bucket's region.")
    s3_access_key_id: str | None = Field(
        None, description="Unset means the machine's own AWS credentials."
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="Goes with the key id.")

    default_model: str = Field("vgg16", description="The model of a request that names none.")
    worker_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="What a worker keeps resident, comma-separated. Empty: the default model."
    )
    models_file: Path | None = Field(
        None, description="A models.toml of your own, added to the shipped catalogue."
    )
    model_dir: Path | None = Field(
        None, description="Where weights are looked for before they are fetched."
    )
    max_batch: int = Field(8, ge=1, le=32, description="Pictures explained together, at most.")
    worker_concurrency: int = Field(3, ge=2, le=16, description="Batches a worker holds at once.")
    device_timeout_s: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="A worker whose device takes longer for 100 forward passes ends itself.",
    )

    api_host: str = Field("127.0.0.1", description="The address that the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="The port that the API listens on.")
    api_processes: int = Field(1, ge=1, le=64, description="API processes of one `seewhy api`.")
    api_threads: int = Field(
        32, ge=2, le=256, description="Requests that one process serves at once; half may wait."
    )
    api_streams: int = Field(
        256,
        ge=1,
        le=4096,
        description="Event streams that one process holds open, each by a thread beside those.",
    )
    max_upload_bytes: int = Field(
        10_000_000, ge=1_000, le=1_000_000_000, description="A larger picture is refused."
    )
    max_pixels: int = Field(
        25_000_000, ge=1_000, le=178_000_000, description="Width by height; more is refused."
    )

    tenant_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header by which your gateway names the tenant; unset: there is one.",
    )
    queue_limit: int = Field(
        1_000_000, ge=1, description="More open jobs of one model and priority are refused (503)."
    )
    tenant_queue_limit: int = Field(250_000, ge=1, description="The same for one tenant (429).")
    cache_ttl_s: int = Field(
        86_400, ge=0, description="How long an outcome answers those who ask the same. 0: never."
    )

    lease_s: float = Field(30.0, gt=0, le=3600, description="A claim not renewed is taken back.")
    sweep_interval_s: float = Field(
        5.0, gt=0, le=300, description="How often overdue jobs are looked after."
    )
    max_attempts: int = Field(
        3, ge=1, le=10, description="How often a job is tried before it fails."
    )
    retention_s: int = Field(7 * 86_400, ge=60, description="How long a finished job is known.")

    webhook_secrets: SecretStr | None = Field(
        None, description="What webhooks are signed with, comma-separated. Unset: no webhooks."
    )
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="Networks that webhooks may reach beside the public internet, by CIDR."
    )

    @model_validator(mode="after")
    def _keys_in_pairs(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY go together")
        return self

    @field_validator("worker_models", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _check_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_secrets(value.get_secret_value())
        return value

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(text.strip()) for text in value.split(",") if text.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the caller alone: `load` is what reads the environment."""
        return (init_settings,)

    @property
    def effective_cache_ttl_s(self) -> int:
        """How long an outcome answers those who ask the same: no longer than it is known."""
        return min(self.cache_ttl_s, self.retention_s)

    @property
    def resident_models(self) -> tuple[str, ...]:
        """The models that a worker with these settings loads."""
        return self.worker_models or (self.default_model,)


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read `SEEWHY_…` variables (of this process unless given) into frozen settings.

    Empty variables count as unset, as compose files write them. Raises `SettingsError` naming
    every mistake at once, misspelt variables among them.
    """
    source = os.environ if environment is None else environment
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in source.items()
        if name.startswith(PREFIX) and value
    }
    try:
        return Settings(**(given | overrides))
    except ValidationError as error:
        raise SettingsError(_report(error)) from error


def _report(error: ValidationError) -> str:
    lines = []
    for mistake in error.errors(include_url=False, include_context=False):
        name = "".join(PREFIX + str(part).upper() for part in mistake["loc"][:1])
        if mistake["type"] == "extra_forbidden":
            lines.append(f"{name}: there is no such setting")
        else:
            lines.append(f"{name}: {mistake['msg']}" if name else mistake["msg"])
    return "the environment holds mistakes:\n  " + "\n  ".join(lines)
