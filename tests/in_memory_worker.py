"""A worker without Celery, Redis or a network: in-memory ledger and store, stub explainer."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from optionals import present
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import JobRecord, LedgerPolicy, Submission, lane_of, lanes_of
from seewhy.monitoring.tracing import NoTracing
from seewhy.schemas.job import Job, JobState, Priority
from seewhy.schemas.result import Result
from seewhy.storage.keys import image_key
from seewhy.storage.obstore_adapter import memory_store
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.pipeline.batch_runner import BatchRunner
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.exposure import Exposure
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.job_images import JobImages
from seewhy_worker.pipeline.job_traces import JobTraces
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.loaded_models import LoadedModels
from seewhy_worker.pipeline.measurements import Measurements
from seewhy_worker.pipeline.outcome_reporter import OutcomeReporter
from seewhy_worker.pipeline.pace import Pace
from seewhy_worker.pipeline.pipeline_deps import PipelineDeps
from seewhy_worker.pipeline.publish import ResultPublisher
from seewhy_worker.pipeline.watchdog import Watchdog
from seewhy_worker.stub import StubExplainer

LANE = lanes_of("m")[0]
LONG_LANE = lane_of("m", Priority.INTERACTIVE, long=True)
IMAGE_KEY = image_key("0" * 64, tenant="default")
MAX_PASSES = 64
"""Forward passes of a batch."""


class HookedExplainer(StubExplainer):
    """Calls `before_batch` and `before_chunk`, and records the batch sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.before_batch: Callable[[Sequence[ExplanationTask]], object] = lambda _: None
        self.before_chunk: Callable[[], object] = lambda: None
        self.batch_sizes: list[int] = []

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        self.batch_sizes.append(len(tasks))
        self.before_batch(tasks)
        return super().explain(tasks, checkpoint=checkpoint)

    def run_chunk(self, passes: float) -> None:
        self.before_chunk()
        super().run_chunk(passes)


class InMemoryWorker:
    """One model `m`, batches of up to 4, and a clock that tests move."""

    def __init__(
        self,
        *,
        budget_pixels: int = 1_000_000,
        ledger: MemoryLedger | RedisLedger | None = None,
        explainer: HookedExplainer | None = None,
    ) -> None:
        self.now_ms = 0
        self.explainer = explainer or HookedExplainer()
        self.store = memory_store()
        self.images = JobImages(store=self.store, max_pixels=1_000_000, budget_pixels=budget_pixels)
        self.io_threads = ThreadPoolExecutor(4)
        self.ledger = ledger or MemoryLedger(policy=LedgerPolicy(), clock_ms=lambda: self.now_ms)
        self.measurements, self.pace = Measurements(), Pace()
        traces = JobTraces(NoTracing())
        self.leases = Leases(ledger=self.ledger, lease_s=30)
        exposure = Exposure(ledger=self.ledger, leases=self.leases)
        device = Device(self.explainer, max_batch=4, watchdog=Watchdog(timeout_s=60))
        self.runner = BatchRunner(
            PipelineDeps(
                ledger=self.ledger,
                leases=self.leases,
                fetcher=ImageFetcher(images=self.images, exposure=exposure),
                devices=LoadedModels({"m": device}),
                publisher=ResultPublisher(
                    store=self.store,
                    images=self.images,
                    exposure=exposure,
                    versions={"seewhy": "test"},
                ),
                reporter=OutcomeReporter(
                    ledger=self.ledger,
                    wakeups=WakeupPublisher(create_celery("redis://127.0.0.1:1/0", lanes=[])),
                    store=self.store,
                    timeout_s=0,
                    traces=traces,
                ),
                traces=traces,
                measurements=self.measurements,
                pace=self.pace,
            ),
            owner="w",
            io_threads=self.io_threads,
            max_passes=MAX_PASSES,
            long_jobs=1,
        )

    def submit(
        self,
        *job_ids: str,
        key: str = IMAGE_KEY,
        lane: str = LANE,
        deadline_ms: int | None = None,
        **fields: object,
    ) -> None:
        for job_id in job_ids:
            job = Job(
                model="m", method="gradcam", targets=(-1,), outputs=("overlay",), image_key=key,
                image_width_px=451, image_height_px=300,
            ).model_copy(update=fields)  # fmt: skip
            self.ledger.submit(Submission(job_id, lane, job.model_dump_json(), deadline_ms))

    def run(self, lane: str = LANE) -> int:
        """Run the lane until no job is ready; return how many jobs were claimed."""
        return self.runner.run_lane(lane)

    def advance(self, ms: int = 60_000) -> None:
        """Move the clock, by default longer than any retry delay, and sweep."""
        self.now_ms += ms
        self.ledger.sweep()

    def record(self, job_id: str) -> JobRecord:
        return present(self.ledger.read(job_id))

    def outcome(self, job_id: str) -> tuple[JobState, str | None]:
        """Return a job's state and error code."""
        record = self.record(job_id)
        return record.state, record.error_code

    def outcomes(self, job_ids: Sequence[str]) -> list[tuple[JobState, str | None]]:
        return [self.outcome(job_id) for job_id in job_ids]

    def states(self, job_ids: Sequence[str]) -> list[JobState]:
        return [state for state, _ in self.outcomes(job_ids)]

    def result(self, job_id: str) -> Result:
        return Result.model_validate_json(present(self.record(job_id).result))


def job_ids(count: int) -> list[str]:
    return [f"01a20000-0000-7000-8000-{n:012d}" for n in range(count)]
