"""The dependencies of the routes."""

from dataclasses import dataclass

from seewhy.batches.batches import Batches
from seewhy.broker.wakeups import WakeupPublisher
from seewhy.catalog.catalog import Catalog
from seewhy.estimates.forecaster import Forecaster
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.jobs.dead_letters import DeadLetters
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submit_service import SubmitService
from seewhy.jobs.uploads import ImageUploads
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.monitoring.status_reader import StatusReader
from seewhy.settings import Settings
from seewhy.storage.port import ObjectStore
from seewhy_api.http.lookup import JobLookup
from seewhy_api.http.served_models import ServedModels
from seewhy_api.http.slots import ClientSlots
from seewhy_api.streaming.event_feed import EventFeed
from seewhy_api.streaming.long_poll import LongPoll


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """Everything that the routes use. Built only in `seewhy_api.app`."""

    settings: Settings
    catalog: Catalog
    ledger: Ledger
    batches: Batches
    outbox: Outbox
    workers: WorkerRegistry
    store: ObjectStore
    uploads: ImageUploads
    wakeups: WakeupPublisher
    event_feed: EventFeed
    long_poll: LongPoll
    submit_service: SubmitService
    dead_letters: DeadLetters
    status_reader: StatusReader
    recovery: Recovery
    lookup: JobLookup
    pixels: PixelBudget
    streams: ClientSlots
    drawings: ClientSlots
    batch_downloads: ClientSlots
    served_models: ServedModels
    forecaster: Forecaster
