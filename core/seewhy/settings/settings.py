"""The settings, read from `SEEWHY_…` environment variables. Nothing else reads them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from seewhy.errors import SettingsError
from seewhy.quoting import quote_mistake
from seewhy.settings.limits import Limits, Names, Networks
from seewhy.settings.monitoring import Monitoring
from seewhy.settings.workers import WorkerSettings
from seewhy.webhook_secrets import parse_secrets

PREFIX = "SEEWHY_"


class Settings(WorkerSettings, Limits, Monitoring):
    """The settings of an operator: one `SEEWHY_…` variable for each field, frozen."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(redis|rediss|unix)://",
        description="The Redis server of the ledger and the Celery broker.",
    )
    store_url: str = Field(
        "s3://seewhy",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|file:///.+)$",
        description="The store of images and results: s3://BUCKET or file:///DIRECTORY.",
    )
    s3_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="The URL of the S3 endpoint; unset means AWS.",
    )
    s3_public_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="The URL of the S3 endpoint in presigned links; unset means the same endpoint.",
    )
    s3_region: str = Field("us-east-1", description="The region of the bucket.")
    s3_access_key_id: str | None = Field(
        None, description="The S3 access key id; unset means the AWS credentials of the machine."
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, description="The secret that belongs to the S3 access key id."
    )

    models_file: Path | None = Field(
        None, description="The path of your own models.toml, added to the shipped catalog."
    )
    model_dir: Path | None = Field(
        None, description="The directory of model files; missing weights are downloaded into it."
    )
    api_host: str = Field("127.0.0.1", description="The address that the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="The port that the API listens on.")
    api_allowed_hosts: Names = Field(
        (),
        description="The host names by which clients reach the API, comma-separated and without "
        "ports, or `*` for any; unset means the names of this machine if the API listens on a "
        "loopback address, and any name otherwise.",
    )
    api_allowed_origins: Names = Field(
        (),
        description="The origins, such as https://labels.example, whose pages may use the whole "
        "API, comma-separated.",
    )
    api_processes: int = Field(1, ge=1, le=64, description="The number of API processes.")

    auth: Literal["auto", "keys", "gateway", "none"] = Field(
        "auto",
        description="How requests are authenticated: keys, gateway (the tenant header) or none. "
        "auto means a gateway where one is configured, and keys where one exists; without either "
        "the API serves everybody on a loopback address and refuses to start on any other.",
    )
    tenant_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The HTTP header in which a gateway names the tenant.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="The networks of the gateway, in CIDR notation, comma-separated. The tenant "
        "header counts only from there.",
    )
    key: SecretStr | None = Field(
        None,
        description="The API key with which seewhy explain, trust, export and agreement call a "
        "service.",
    )
    cache_ttl_s: int = Field(
        86_400,
        ge=0,
        description="Seconds for which a result is reused for identical requests; 0 means never.",
    )

    lease_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Seconds without renewal after which a worker loses its claim on a job.",
    )
    sweep_interval_s: float = Field(
        5.0, gt=0, le=300, description="Seconds between sweeps for overdue jobs."
    )
    max_attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="The number of attempts after which a job fails, and of workers that it may "
        "kill; other crashes do not count.",
    )
    retention_s: int = Field(
        7 * 86_400, ge=60, description="Seconds for which a finished job is kept."
    )

    webhook_secrets: SecretStr | None = Field(
        None,
        description="The secrets that sign webhooks, comma-separated; unset disables webhooks.",
    )
    webhook_allowed_networks: Networks = Field(
        (),
        description="The private networks that webhooks may reach, in CIDR notation, "
        "comma-separated.",
    )

    label_studio_url: str | None = Field(
        None,
        pattern=r"^https?://[a-z0-9_.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$",
        description="The URL of a Label Studio whose uploaded images may be read, and whose "
        "annotations are compared with explanations. With an API key, it also receives "
        "predictions.",
    )
    label_studio_api_key: SecretStr | None = Field(
        None, description="A personal access token or a legacy token of a user of Label Studio."
    )

    @model_validator(mode="after")
    def _check_key_pair(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError(
                "set both SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY, or neither"
            )
        return self

    @model_validator(mode="after")
    def _check_image_buckets(self) -> Self:
        if self.store_url.removeprefix("s3://") in self.image_buckets:
            raise ValueError(
                "SEEWHY_IMAGE_BUCKETS must not name the bucket of the store: every client could "
                "have the images of others read"
            )
        return self

    @model_validator(mode="after")
    def _check_gateway(self) -> Self:
        if self.tenant_header and not self.trusted_proxies:
            raise ValueError(
                "SEEWHY_TENANT_HEADER needs SEEWHY_TRUSTED_PROXIES, the addresses of the gateway: "
                "from any other address the header could be forged"
            )
        if self.auth == "gateway" and not self.tenant_header:
            raise ValueError("SEEWHY_AUTH=gateway needs SEEWHY_TENANT_HEADER")
        return self

    @field_validator("api_host")
    @classmethod
    def _strip_brackets(cls, host: str) -> str:
        """Accept an IPv6 address as URLs write it."""
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    @field_validator("api_allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not re.fullmatch(r"\*|[a-z0-9_.-]+|\[[0-9a-f:.]+\]", host):
                raise ValueError(f"{host!r} is not a host name in lower case without a port")
        return hosts

    @field_validator("api_allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9_.\[\]-]+(:[0-9]{1,5})?", origin):
                raise ValueError(f"{origin!r} does not have the form https://host or http://host:1")
        return origins

    @field_validator("webhook_secrets")
    @classmethod
    def _check_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_secrets(value.get_secret_value())
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
        """Take values from the caller only, because `load` reads the environment."""
        return (init_settings,)

    @property
    def effective_cache_ttl_s(self) -> int:
        """Seconds for which a result is reused: never longer than the job is kept."""
        return min(self.cache_ttl_s, self.retention_s)

    def key_for_service(self, given: str | None) -> str | None:
        """Return the API key for a service: the one that was given, or `SEEWHY_KEY`."""
        if given is None and self.key is not None:
            return self.key.get_secret_value()
        return given

    @property
    def needs_dispatcher(self) -> bool:
        """Whether something may be delivered: webhooks, or results for Label Studio."""
        return self.label_studio_url is not None or self.webhook_secrets is not None


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read `SEEWHY_…` variables, by default those of this process, into frozen settings.

    `overrides` take precedence. Empty variables count as unset, because Compose files set them.
    Raises `SettingsError`, which lists every mistake, including unknown variables.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in source.items()
        if name.startswith(PREFIX) and value
    }
    try:
        return Settings(**(values | overrides))
    except ValidationError as error:
        raise SettingsError(_report(error)) from error


def _report(error: ValidationError) -> str:
    lines = []
    for mistake in error.errors(include_url=False, include_context=False):
        name = "".join(PREFIX + str(part).upper() for part in mistake["loc"][:1])
        if mistake["type"] == "extra_forbidden":
            lines.append(f"{name}: unknown setting; check the spelling")
        else:
            message = quote_mistake(mistake)
            lines.append(f"{name}: {message}" if name else message)
    return "invalid settings in the environment:\n  " + "\n  ".join(lines)
