"""What simulations and plans know about a service: its device, its host, its workers."""

from dataclasses import dataclass, field

from seewhy.capacity.autoscaling import AutoscalerPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceProfile:
    """A device that takes `overhead_s` + `image_s` x cost for a batch; an image has cost 1.

    `jitter` has equally likely factors of that time, such as measured quantiles.
    """

    overhead_s: float
    image_s: float
    max_batch: int = 8
    jitter: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Raise `ValueError` for a device that takes no time or no images."""
        if min(self.overhead_s, self.image_s) < 0 or self.overhead_s + self.image_s <= 0:
            raise ValueError("a batch must take some time on the device")
        if self.max_batch < 1 or not self.jitter or min(self.jitter) < 0:
            raise ValueError("a device needs batches of at least one image, and factors of time")

    def batch_s(self, images: float) -> float:
        """Return the mean time of a batch in seconds, without jitter."""
        return self.overhead_s + self.image_s * images

    @property
    def images_per_s(self) -> float:
        """Images per second in full batches."""
        return self.max_batch / self.batch_s(self.max_batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostProfile:
    """What a job takes besides the device.

    Processor times are per job. They use one of `cores`, which all processes of one machine share,
    or without it one of the `worker_cores` of each worker; without both there are always enough.
    The other times are latencies: of a submission, of a wakeup, and of a batch before and after the
    device.
    """

    submit_cpu_s: float = 0.0
    fetch_cpu_s: float = 0.0
    publish_cpu_s: float = 0.0
    submit_s: float = 0.0
    wakeup_s: float = 0.0
    fetch_s: float = 0.0
    publish_s: float = 0.0
    cores: int | None = None
    worker_cores: int | None = None

    @property
    def worker_cpu_s(self) -> float:
        """Processor time of a worker for one job in seconds."""
        return self.fetch_cpu_s + self.publish_cpu_s


@dataclass(frozen=True, kw_only=True, slots=True)
class CrashProfile:
    """Workers that die at random, `per_hour` of each worker.

    The jobs of a dead worker run again, each alone, after the lease and the next sweep. Another
    worker takes its place after `restart_s`.
    """

    per_hour: float
    lease_s: float = 30.0
    sweep_s: float = 5.0
    restart_s: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolProfile:
    """Workers of one model.

    Each of the `threads` of a worker claims up to `max_batch` ready jobs at once. With `linger_s`
    it first waits for a full batch; the service does not.
    """

    device: DeviceProfile
    workers: int
    host: HostProfile = field(default_factory=HostProfile)
    threads: int = 3
    linger_s: float = 0.0
    lane_limit: int | None = None
    tenant_limit: int | None = None
    crashes: CrashProfile | None = None
    autoscaler: AutoscalerPolicy | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a pool that can never run a job."""
        if self.workers < 1 and (self.autoscaler is None or self.autoscaler.max_workers < 1):
            raise ValueError("a pool needs a worker, or an autoscaler that may start one")
        if self.threads < 1:
            raise ValueError("a worker needs a thread")
