"""Workers that are running now, and the times that they measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MEASURED_VALUES = 32
"""How many of the last values are kept of each measurement."""
MEASUREMENTS_LIMIT = 200
"""The most measurements of one model."""

PLAIN_METHOD = "gradcam"
"""The measurement that is the time of a forward pass; each worker starts with it."""

HANDLING = "handling"
"""The ms that a batch takes in a worker without the device: fetch, publish and report."""


def load_of(*, long: bool) -> str:
    """Name how long a busy worker takes for long jobs or others, in multiples of device time."""
    return "load:long" if long else "load"


DeviceTimes = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Device → measurement → the last values, the newest at the end."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Values that a worker measured since it last reported them."""

    model: str
    name: str
    """A method: the ms of device time that one image with one target takes. Or `HANDLING`, or as
    `load_of` names it."""
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RegisteredWorker:
    """A worker that runs jobs, and the models that it has loaded."""

    worker_id: str
    models: tuple[str, ...]
    started_ms: int
    seen_ms: int
    """When it last renewed its registration."""
    device: str = "cpu"
    """The kind of device that its models run on."""


@dataclass(frozen=True, slots=True)
class ModelPresence:
    """The workers that have a model loaded, now or before."""

    workers: int
    last_seen_ms: int
    """When one of them last renewed its registration."""
    unseen_ms: int
    """How long ago that was, by the ledger's clock."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """Kind of device → how many of the workers use it."""
