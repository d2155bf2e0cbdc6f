"""What a user asks of a load test."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from seewhy_loadtest.generation.schedules import ScheduleKind, Step

_UNITS_S = {"ms": 0.001, "s": 1.0}


class Objective(BaseModel):
    """A limit for a percentile of the end-to-end latency."""

    model_config = ConfigDict(frozen=True)

    share: float = Field(gt=0, lt=1)
    limit_s: float = Field(gt=0)

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Parse text such as `p95=2s` or `p99.9=750ms`. Raises `ValueError`."""
        found = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?)=(\d+(?:\.\d+)?)(ms|s)", text.strip())
        if found is None or not float(found[1]) or not float(found[2]):
            raise ValueError(f"an objective looks like p95=2s or p99=750ms, not {text}")
        return cls(share=float(found[1]) / 100, limit_s=float(found[2]) * _UNITS_S[found[3]])

    def __str__(self) -> str:
        return f"p{self.share * 100:g} ≤ {self.limit_s:g} s"


def parse_steps(text: str) -> tuple[Step, ...]:
    """Parse text such as `25x20,75x30`: rates per second and durations. Raises `ValueError`."""
    found = re.fullmatch(r"(?:(?:^|,)\d+(?:\.\d+)?x\d+(?:\.\d+)?)+", text)
    steps = tuple(Step(*map(float, part.split("x"))) for part in text.split(",") if found)
    if not steps or any(step.rate_per_s <= 0 or step.duration_s <= 0 for step in steps):
        raise ValueError(f"steps look like 25x20,75x30 (requests/s x seconds), not {text}")
    return steps


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of a sweep: requests per second, or a share of what the service can do."""

    value: float
    is_share: bool

    def per_s(self, saturated_per_s: float | None) -> float:
        """Return requests per second."""
        return self.value * (saturated_per_s or 0.0) if self.is_share else self.value


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Parse text such as `10%,50%,90%` or `20,40,60`. Raises `ValueError`."""
    found = re.fullmatch(r"(?:(?:^|,)\d+(?:\.\d+)?%?)+", text)
    rates = tuple(
        Rate(float(part[:-1]) / 100, True) if part.endswith("%") else Rate(float(part), False)
        for part in text.split(",")
        if found
    )
    if not rates or any(rate.value <= 0 for rate in rates):
        raise ValueError(f"rates look like 10%,50%,90% or 20,40,60, not {text}")
    return rates


DEFAULT_RATES = parse_rates("10%,25%,50%,70%,80%,90%,95%,105%,120%")


class LoadOptions(BaseModel):
    """The options of one load test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    """None: start a temporary service."""
    key: str | None = None
    model: str | None = None
    stub: bool = False
    """Whether a temporary service has a stub in place of the model."""
    rate: float = Field(10.0, gt=0)
    duration: float = Field(60.0, gt=0)
    schedule: ScheduleKind = ScheduleKind.POISSON
    steps: tuple[Step, ...] = ()
    """Replace `rate` and `duration`."""
    sweep: bool = False
    rates: tuple[Rate, ...] = DEFAULT_RATES
    """The rates of a sweep, ascending."""
    keep_going: bool = False
    """Whether a sweep continues when the service does not keep up."""
    self_check: bool = False
    """Whether to load a service that does nothing, to check the generator."""
    seed: int = Field(1, ge=0)
    objectives: tuple[Objective, ...] = ()
    request: dict[str, Any] = Field(default_factory=dict)
    images: Path | None = None
    processes: int = Field(1, ge=1, le=64)
    connections: int = Field(512, ge=1)
    """The most requests in flight of all processes."""
    drain: float = Field(300.0, ge=0)
    """How many seconds are waited for the last job after the last request."""
    retry: float = Field(30.0, ge=0)
    during: str | None = None
    out: Path | None = None

    @field_validator("objectives", mode="before")
    @classmethod
    def _parse_objectives(cls, values: Any) -> Any:
        given = values or ()
        return tuple(Objective.parse(each) if isinstance(each, str) else each for each in given)

    @field_validator("steps", mode="before")
    @classmethod
    def _parse_steps(cls, value: Any) -> Any:
        return parse_steps(value) if isinstance(value, str) else value or ()

    @field_validator("rates", mode="before")
    @classmethod
    def _parse_rates(cls, value: Any) -> Any:
        return parse_rates(value) if isinstance(value, str) else value

    @field_validator("request", mode="before")
    @classmethod
    def _parse_request(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of the schedule."""
        return self.steps or (Step(self.rate, self.duration),)

    @property
    def sent_request(self) -> dict[str, Any]:
        """The fields of every request. Results are never taken from the cache."""
        model = {"model": self.model} if self.model else {}
        return {"cache": False, **model, **self.request}
