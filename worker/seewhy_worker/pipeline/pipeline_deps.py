"""What the pipeline of a worker works with."""

from dataclasses import dataclass

from seewhy.ledger.ports.claims import ClaimLedger
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.job_traces import JobTraces
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.loaded_models import LoadedModels
from seewhy_worker.pipeline.measurements import Measurements
from seewhy_worker.pipeline.outcome_reporter import OutcomeReporter
from seewhy_worker.pipeline.pace import Pace
from seewhy_worker.pipeline.publish import ResultPublisher


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineDeps:
    """Shared by the stages of a pipeline."""

    ledger: ClaimLedger
    leases: Leases
    fetcher: ImageFetcher
    devices: LoadedModels
    publisher: ResultPublisher
    reporter: OutcomeReporter
    measurements: Measurements
    traces: JobTraces
    pace: Pace
