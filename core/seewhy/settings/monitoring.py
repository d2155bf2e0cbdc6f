"""What an operator sees of the processes: metrics, logs and traces."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class Monitoring(BaseSettings):
    """The settings of metrics, logs and traces. `seewhy.settings` reads their values."""

    log_format: Literal["auto", "text", "json"] = Field(
        "auto",
        description="The form of log lines: text for people, or json for machines; auto means text "
        "on a terminal, and json elsewhere.",
    )

    metrics_host: str = Field(
        "127.0.0.1",
        description="The address on which processes serve metrics. They need no key: use an "
        "address that only your monitoring reaches.",
    )
    api_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_520,
        description="The port on which the API serves metrics; unset means none. Each further API "
        "process of the machine takes the next free port.",
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_520,
        description="The port on which a worker serves metrics; unset means none. Each further "
        "worker of the machine takes the next free port.",
    )
    dispatcher_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_520,
        description="The port on which a webhook dispatcher serves metrics; unset means none. Each "
        "further dispatcher of the machine takes the next free port.",
    )
    traces_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="The URL to which traces are sent (OTLP over HTTP), such as "
        "http://127.0.0.1:4318/v1/traces; unset means no traces. Needs the extra `tracing`.",
    )
    traces_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="The share of traces that is sent, by the id of the trace.",
    )
