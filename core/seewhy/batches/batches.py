"""Everything about batches that one API process needs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seewhy.batches.acceptor import BatchAcceptor
from seewhy.batches.batch_service import BatchService
from seewhy.batches.item_jobs import ItemJobs
from seewhy.batches.listing import BatchLister
from seewhy.batches.results import BatchResults
from seewhy.broker.wakeups import WakeupPublisher
from seewhy.jobs.batch_documents import BatchDocuments
from seewhy.jobs.image_sources import ImageResolver
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.settings import Settings
from seewhy.storage.port import ObjectStore

THREADS = 8
"""How many images of batches a process checks, reads or stores at once."""
DOWNLOADS_SHARE = 4
"""Batches take a quarter of the downloads at once: half of those of one tenant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """The parts that receive batches, accept them, and read them back."""

    ledger: BatchLedger
    documents: BatchDocuments
    service: BatchService
    acceptor: BatchAcceptor
    results: BatchResults


def create_batches(
    settings: Settings,
    *,
    batches: BatchLedger,
    ledger: SubmissionLedger,
    store: ObjectStore,
    images: ImageResolver,
    submit_service: SubmitService,
    wakeups: WakeupPublisher,
    recovery: Recovery,
) -> Batches:
    """Build the parts. Their threads start with the first batch."""
    documents = BatchDocuments(store)
    results = BatchResults(batches=batches, documents=documents)
    jobs = ItemJobs(
        service=submit_service,
        images=images,
        downloads_at_once=max(1, settings.image_url_downloads // DOWNLOADS_SHARE),
    )
    lister = BatchLister(
        documents=documents, folders=images.buckets, max_items=settings.batch_max_items
    )
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="batch")
    return Batches(
        ledger=batches,
        documents=documents,
        service=BatchService(
            batches=batches,
            ledger=ledger,
            documents=documents,
            results=results,
            jobs=jobs,
            recovery=recovery,
            threads=threads,
            max_items=settings.batch_max_items,
        ),
        acceptor=BatchAcceptor(
            batches=batches,
            documents=documents,
            jobs=jobs,
            lister=lister,
            wakeups=wakeups,
            recovery=recovery,
            threads=threads,
            lease_s=settings.lease_s,
        ),
        results=results,
    )
