"""Workers that are running now, and the times that they measured."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MEASURED_VALUES = 32
"""How many of the last values are kept of each measurement."""
MEASUREMENTS_LIMIT = 200
"""The most measurements of one model."""

PLAIN_METHOD = "gradcam"
"""The measurement that is the time of a forward pass; each worker starts with it."""

ASSUMED_PASS_US = 100_000
"""The device time of a forward pass of a model that no worker has measured yet."""

HANDLING = "handling"
"""The ms that a batch takes in a worker without the device: fetch, publish and report."""

LOADING = "loading"
"""The measurement that is the ms until a model was loaded and could explain."""


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
    """A method: the ms of device time that one image with one target takes. Or `HANDLING`,
    `LOADING`, or as `load_of` names it."""
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WorkerDetails:
    """What a worker says about itself whenever it registers."""

    version: str = ""
    """The version of seewhy."""
    engine: str = ""
    """What computes its models, such as `tensorflow 2.21.0`, by model if they differ."""
    max_batch: Mapping[str, int] = field(default_factory=dict)
    """Model → the most images that it explains together."""
    pinned_to: str = ""
    """The GPU or the processor cores that it is pinned to; empty if it is not."""
    jobs: int = 0
    """How many jobs it had claimed."""
    images_per_s: Mapping[str, float] = field(default_factory=dict)
    """Model → images that it explained lately for each second of device time."""
    model_bytes: Mapping[str, int] = field(default_factory=dict)
    """Model → the memory that it takes, if it is loaded and was measured."""
    failed_loads: Mapping[str, str] = field(default_factory=dict)
    """Model on demand → why it could not be loaded the last time."""


NO_DETAILS = WorkerDetails()


@dataclass(frozen=True, slots=True)
class RegisteredWorker:
    """A worker that runs jobs, and the models that it serves."""

    worker_id: str
    models: tuple[str, ...]
    """Those that it has loaded."""
    started_ms: int
    seen_ms: int
    """When it last renewed its registration."""
    device: str = "cpu"
    """The kind of device that its models run on."""
    details: WorkerDetails = NO_DETAILS
    on_demand: tuple[str, ...] = ()
    """Those that it would load if their jobs waited."""
    loading: str = ""
    """The model that it is loading; empty if there is none."""


@dataclass(frozen=True, slots=True)
class ModelPresence:
    """The workers that serve a model, now or before: it is loaded, or they load it on demand."""

    workers: int
    last_seen_ms: int
    """When one of them last renewed its registration."""
    unseen_ms: int
    """How long ago that was, by the ledger's clock."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """Kind of device → how many of the workers use it."""
    loaded: Mapping[str, int] = field(default_factory=dict)
    """Kind of device → how many of them have the model loaded."""


@dataclass(frozen=True, slots=True)
class ModelDemand:
    """The ready jobs of a model, and how many other workers are there for them."""

    ready: int = 0
    interactive: int = 0
    """How many of the ready jobs have the priority `interactive`."""
    waited_ms: int = 0
    """The age of the oldest ready job since its submission."""
    device_ms: int = 0
    """The estimated device time of the ready jobs."""
    loaded: int = 0
    """How many other workers have the model loaded."""
    loading: int = 0
    """How many other workers are loading it."""


def averaged_pass_us(values_ms: Sequence[float], known_us: int | None) -> int:
    """Return the device time of a pass after a report, with a tenth of the weight for it.

    With several kinds of devices, this is about the mean over the workers.
    """
    reported_us = max(1, int(statistics.median(values_ms) * 1000))
    return (9 * (known_us or reported_us) + reported_us) // 10
