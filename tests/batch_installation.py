"""An installation in memory for tests of batches: it can lose its ledger and start processes."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from images import encoded, gradient
from optionals import present
from seewhy.batches.batches import Batches, create_batches
from seewhy.batches.item_jobs import BatchOwner
from seewhy.batches.new_batch import NewBatch, ParsedItem, SentItem
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.catalog.catalog import Catalog
from seewhy.errors import ImageUnreachable, ImageUrlRefused
from seewhy.ids import item_job_id, new_job_id
from seewhy.jobs.batch_documents import BatchOptions
from seewhy.jobs.image_sources import ImageResolver, SentImage
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import BatchRecord, JobFailure, LedgerPolicy, lanes_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy.settings import load
from seewhy.storage.obstore_adapter import memory_store

MODEL = "efficientnet-lite0"
IMAGE = encoded(gradient(40, 24), "PNG")
REQUEST = ExplanationRequest(priority=Priority.BATCH, cache=False)


class NoWakeups(WakeupPublisher):
    def __init__(self) -> None:
        super().__init__(create_celery("redis://127.0.0.1:1/0", lanes=[]))
        self.lanes: list[str] = []

    def notify(self, lane: str, *, times: int = 1) -> bool:
        self.lanes += [lane] * times
        return True


class RemoteImagesOfATest:
    def check(self, url: str) -> None:
        if "forbidden" in url:
            raise ImageUrlRefused("No image may come from there.")

    def read(self, url: str, *, client: str) -> bytes:
        if "missing" in url:
            raise ImageUnreachable("There is nothing.")
        return IMAGE


class Installation:
    """A store, a ledger that can lose its data, and any number of API processes."""

    def __init__(
        self, *, folders: Any = None, downloads: Any = None, settings: Any = None, **policy: Any
    ) -> None:
        self.settings = load({}, default_model=MODEL, lease_s=1, **(settings or {}))
        self.folders = folders
        self.downloads = downloads
        self.store = memory_store()
        self.policy = LedgerPolicy(lease_ms=1_000, **policy)
        self.ahead_ms = 0
        self.wakeups = NoWakeups()
        self.lose_data()
        self.recovery().recover()

    def lose_data(self) -> None:
        def now_ms() -> int:
            return time.time_ns() // 1_000_000 + self.ahead_ms

        self.ledger = MemoryLedger(policy=self.policy, clock_ms=now_ms)

    def recovery(self) -> Recovery:
        return Recovery(ledger=self.ledger, store=self.store, retention_s=self.settings.retention_s)

    def images(self) -> ImageResolver:
        remote: Any = RemoteImagesOfATest()
        return ImageResolver(
            settings=self.settings,
            store=self.store,
            downloads=self.downloads or remote,
            buckets=self.folders or remote,
        )

    def process(self) -> Batches:
        """Start an API process."""
        images = self.images()
        service = SubmitService(
            settings=self.settings,
            catalog=Catalog.load(self.settings),
            ledger=self.ledger,
            images=images,
            submitter=JobSubmitter(ledger=self.ledger, store=self.store, wakeups=self.wakeups),
            recovery=self.recovery(),
            require_served=lambda _: None,
            cost_of=lambda *_: 1_000,
        )
        return create_batches(
            self.settings,
            batches=self.ledger.batches,
            ledger=self.ledger,
            store=self.store,
            images=images,
            submit_service=service,
            wakeups=self.wakeups,
            recovery=self.recovery(),
        )

    def submit(
        self,
        count: int,
        *,
        source: Callable[[int], Any] = lambda _: SentImage(IMAGE),
        owner: BatchOwner | None = None,
    ) -> str:
        owner = owner or BatchOwner(new_job_id(), RequestContext(), None)

        def parse(number: int) -> ParsedItem:
            return ParsedItem(source(number), REQUEST, key=f"item {number}")

        items = (SentItem(1, partial(parse, number)) for number in range(count))
        self.process().service.accept(NewBatch(items, owner, BatchOptions()))
        return owner.batch_id

    def read(self, batch_id: str) -> BatchRecord:
        return present(self.ledger.batches.read(batch_id))

    def states(self, batch_id: str, count: int) -> list[JobState | None]:
        ids = [item_job_id(batch_id, index) for index in range(count)]
        return [job.state if job else None for job in self.ledger.batches.read_jobs(ids)]

    def fail_next(self, count: int) -> list[str]:
        claims = self.ledger.claim(lanes_of(MODEL), owner="w", limit=count)
        self.ledger.fail([JobFailure(claim, "code", "detail") for claim in claims])
        return [claim.job_id for claim in claims]
