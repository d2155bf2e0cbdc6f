"""The acceptor and the rebuild of batches, on the memory ledger: stopped and lost at any point."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from batch_installation import IMAGE, MODEL, Installation, RemoteImagesOfATest
from optionals import present
from seewhy.batches import acceptor
from seewhy.batches.item_jobs import BatchOwner
from seewhy.errors import (
    InvalidRequest,
    LedgerUnavailable,
    StoreUnavailable,
    TooManyBatches,
    TooManyDownloads,
)
from seewhy.ids import item_job_id, job_time, new_job_id
from seewhy.jobs.archiver import archive_batches, archive_outcomes
from seewhy.jobs.batch_documents import ITEMS_PER_CHUNK
from seewhy.jobs.image_sources import KnownImage, RemoteImage, SentImage
from seewhy.ledger.types import (
    BatchItem,
    BatchState,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState
from seewhy.storage.keys import batch_key, chunk_key


@pytest.fixture
def installation() -> Installation:
    return Installation()


def test_items_become_jobs_in_their_order_and_wake_the_lane(installation: Installation) -> None:
    count = ITEMS_PER_CHUNK + 20
    batch_id = installation.submit(count)
    installation.process().acceptor.accept_batches()
    batch = installation.read(batch_id)
    assert (batch.state, batch.queued) == (BatchState.RUNNING, count)
    claims = installation.ledger.claim(lanes_of(MODEL), owner="w", limit=count)
    assert [claim.job_id for claim in claims] == [item_job_id(batch_id, n) for n in range(count)]
    assert installation.wakeups.lanes.count("efficientnet-lite0:batch") > 0


def test_the_ids_of_items_are_valid_and_differ(installation: Installation) -> None:
    batch_id = new_job_id()
    ids = [item_job_id(batch_id, index) for index in range(10_000)]
    assert len(set(ids)) == 10_000
    assert {job_time(job_id) for job_id in ids} == {job_time(batch_id)}
    assert item_job_id(new_job_id(), 0) not in ids
    with pytest.raises(ValueError, match=r"Not a job id|badly formed"):
        item_job_id("x", 0)


def test_another_process_continues_where_one_stopped_and_repeats_nothing(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 3 * ITEMS_PER_CHUNK
    batch_id = installation.submit(count)
    dying = installation.process()

    class Killed(BaseException):
        pass

    calls = iter([False, False, True])
    submit_many = installation.ledger.batches.submit_many

    def die_after_the_ledger(*arguments: Any, **named: Any) -> Any:
        answer = submit_many(*arguments, **named)
        if next(calls):
            raise Killed
        return answer

    monkeypatch.setattr(installation.ledger.batches, "submit_many", die_after_the_ledger)
    with pytest.raises(Killed):
        dying.acceptor.accept_batches()
    monkeypatch.undo()
    other = installation.process()
    other.acceptor.accept_batches()
    assert installation.read(batch_id).position == count, "the third chunk was submitted"
    assert installation.read(batch_id).state is BatchState.RUNNING
    assert installation.ledger.counts().accepted == count


def test_a_process_that_lost_its_lease_changes_nothing(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = installation.submit(2 * ITEMS_PER_CHUNK)
    slow = installation.process()
    read_chunk = slow.documents.read_chunk

    def read_late(*arguments: Any) -> Any:
        installation.ahead_ms += 2_000
        assert installation.ledger.batches.lease("another", lease_ms=1_000) is not None
        return read_chunk(*arguments)

    monkeypatch.setattr(slow.documents, "read_chunk", read_late)
    slow.acceptor.accept_batches()
    assert installation.read(batch_id).position == 0
    assert installation.ledger.counts().accepted == 0


def test_a_process_that_lost_its_lease_does_not_replace_a_chunk(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images may have failed to load, while another process has made jobs of them."""
    batch_id = installation.submit(3, source=lambda n: RemoteImage(f"https://a.test/{n}.png"))
    slow = installation.process()
    resolve = slow.acceptor._resolve

    def resolve_late(*arguments: Any) -> Any:
        chunk = resolve(*arguments)
        installation.ahead_ms += 2_000
        slow.acceptor._renewed_s -= 2
        assert installation.ledger.batches.lease("another", lease_ms=1_000) is not None
        return chunk

    monkeypatch.setattr(slow.acceptor, "_resolve", resolve_late)
    slow.acceptor.accept_batches()
    items = slow.documents.read_chunk(batch_id, 0).items
    assert all(item.image and not item.submission for item in items)


@pytest.mark.parametrize("fault", ["store", "ledger"])
def test_an_outage_only_delays_a_batch(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    batch_id = installation.submit(5)
    process = installation.process()

    def down(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("down") if fault == "store" else LedgerUnavailable("down")

    target = process.documents if fault == "store" else installation.ledger.batches
    monkeypatch.setattr(target, "read_chunk" if fault == "store" else "submit_many", down)
    if fault == "store":
        process.acceptor.accept_batches()
    else:
        with pytest.raises(LedgerUnavailable):
            process.acceptor.accept_batches()
    assert installation.read(batch_id).position == 0
    monkeypatch.undo()
    installation.ahead_ms += 1_000
    process.acceptor.accept_batches()
    assert installation.read(batch_id).queued == 5


def test_an_image_that_is_named_is_read_when_the_item_becomes_a_job(
    installation: Installation,
) -> None:
    known = installation.process()
    images = installation.images()
    image = images.resolve(SentImage(IMAGE), context=RequestContext())
    images.store(image)
    sources = [
        KnownImage(image.image_id),
        KnownImage("0" * 64),
        RemoteImage("https://a.test/1.png"),
        RemoteImage("https://a.test/missing.png"),
        RemoteImage("https://forbidden.test/1.png"),
        KnownImage("not an id"),
    ]
    batch_id = installation.submit(6, source=sources.__getitem__)
    assert installation.read(batch_id).refused == 2, "what needs no server is refused at once"
    known.acceptor.accept_batches()
    batch = installation.read(batch_id)
    assert (batch.queued, batch.refused) == (2, 4)
    results = list(known.results.read(batch))
    assert [result.key for result in results] == [f"item {number}" for number in range(6)]
    assert [result.error.code if result.error else result.status for result in results] == [
        "queued",
        "unknown_image",
        "queued",
        "image_unreachable",
        "image_url_refused",
        "invalid_request",
    ]


class BusyDownloads:
    """Refuses every second download, and counts those that succeed."""

    def __init__(self) -> None:
        self.calls = 0
        self.downloaded: Counter[str] = Counter()
        self.lock = threading.Lock()

    def check(self, url: str) -> None:
        pass

    def read(self, url: str, *, client: str) -> bytes:
        with self.lock:
            self.calls += 1
            if self.calls % 2 == 0:
                raise TooManyDownloads("Too many.", retry_after_s=5)
            self.downloaded[url] += 1
        return IMAGE


class SharedDownloads:
    """Each download waits for a second one, and a moment for a third."""

    def __init__(self) -> None:
        self.downloaded: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.two, self.three = threading.Barrier(2, timeout=20), threading.Event()

    def check(self, url: str) -> None:
        pass

    def read(self, url: str, *, client: str) -> bytes:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self.at_once > 2:
                self.three.set()
        self.two.wait()
        self.three.wait(0.02)
        with self.lock:
            self.at_once -= 1
            self.downloaded[url] += 1
        return IMAGE


def remote(number: int) -> RemoteImage:
    return RemoteImage(f"https://a.test/{number}.png")


def test_what_was_downloaded_is_kept_when_further_downloads_are_refused() -> None:
    downloads = BusyDownloads()
    installation = Installation(downloads=downloads)
    batch_id = installation.submit(30, source=remote)
    process = installation.process()
    for _ in range(60):
        process.acceptor.accept_batches()
        installation.ahead_ms += 1_000
    batch = installation.read(batch_id)
    assert (batch.state, batch.queued) == (BatchState.RUNNING, 30)
    assert downloads.downloaded == {remote(number).url: 1 for number in range(30)}


def test_a_batch_leaves_downloads_to_single_requests() -> None:
    downloads = SharedDownloads()
    installation = Installation(downloads=downloads, settings={"image_url_downloads": 8})
    installation.submit(30, source=remote)
    installation.process().acceptor.accept_batches()
    assert downloads.downloaded == {remote(number).url: 1 for number in range(30)}
    assert downloads.most_at_once == 2


def test_a_batch_of_slow_downloads_lets_other_batches_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptor, "SLICE_S", 0.0)
    installation = Installation(downloads=RemoteImagesOfATest())
    slow = installation.submit(50, source=remote)
    installation.ahead_ms += 1
    quick = installation.submit(5)
    process = installation.process()
    turns = iter(range(12))
    process.acceptor.accept_batches(should_stop=lambda: next(turns, None) is None)
    assert installation.read(quick).queued == 5
    assert 0 < installation.read(slow).queued < 50, "jobs begin before all images are read"
    process.acceptor.accept_batches()
    assert installation.read(slow).queued == 50


def test_a_batch_that_the_ledger_does_not_accept_is_withdrawn(installation: Installation) -> None:
    for _ in range(installation.policy.tenant_batch_limit):
        installation.submit(1)
    owner = BatchOwner(new_job_id(), RequestContext(), None)
    with pytest.raises(TooManyBatches):
        installation.submit(1, owner=owner)
    assert batch_key(owner.batch_id) not in set(installation.store.list_keys("jobs/"))


def test_a_loss_while_accepting_loses_no_item_and_changes_no_outcome(
    installation: Installation,
) -> None:
    count = 2 * ITEMS_PER_CHUNK
    batch_id = installation.submit(count)
    owner = "a process that dies"
    leased = present(installation.ledger.batches.lease(owner, lease_ms=1_000))
    process = installation.process()
    chunk = process.documents.read_chunk(batch_id, 0)
    items = [BatchItem(item.submission) for item in chunk.items]
    installation.ledger.batches.submit_many(leased.batch_id, owner, items, first=0, lease_ms=1_000)
    failed = installation.fail_next(7)
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=100)

    installation.lose_data()
    before = installation.process()
    before.acceptor.accept_batches()
    assert installation.ledger.batches.read(batch_id) is None, "nothing runs before the rebuild"
    installation.recovery().recover()
    batch = installation.read(batch_id)
    assert (batch.state, batch.failed, batch.queued) == (BatchState.ACCEPTING, 7, 0)
    installation.process().acceptor.accept_batches()
    batch = installation.read(batch_id)
    assert (batch.state, batch.failed, batch.queued) == (BatchState.RUNNING, 7, count - 7)
    states = installation.states(batch_id, count)
    assert states.count(JobState.FAILED) == 7
    assert {installation.ledger.batches.read_jobs([job])[0].state for job in failed} == {  # type: ignore[union-attr]
        JobState.FAILED
    }
    assert installation.ledger.counts().accepted == count


def test_an_ended_batch_is_the_same_after_a_loss(installation: Installation) -> None:
    sources = [KnownImage("0" * 64), SentImage(IMAGE), SentImage(IMAGE)]
    batch_id = installation.submit(3, source=sources.__getitem__)
    installation.process().acceptor.accept_batches()
    installation.fail_next(2)
    ended = installation.read(batch_id)
    assert (ended.state, ended.failed, ended.refused) == (BatchState.FINISHED, 2, 1)
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=100)
    batches = installation.ledger.batches
    assert archive_batches(batches=batches, store=installation.store, limit=100) == 1
    assert archive_batches(batches=batches, store=installation.store, limit=100) == 0
    installation.ahead_ms += 60_000
    installation.lose_data()
    installation.recovery().recover()
    again = replace(installation.read(batch_id), last_jobs=ended.last_jobs)
    assert again == replace(ended, acceptor=None)


def test_a_batch_that_ended_just_before_a_loss_ends_again(installation: Installation) -> None:
    batch_id = installation.submit(3)
    installation.process().acceptor.accept_batches()
    installation.fail_next(3)
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=100)
    installation.lose_data()
    installation.recovery().recover()
    installation.process().acceptor.accept_batches()
    batch = installation.read(batch_id)
    assert (batch.state, batch.failed) == (BatchState.FINISHED, 3)
    assert installation.ledger.counts().accepted == 3


def test_a_retry_says_when_what_failed_is_past_its_retention() -> None:
    installation = Installation(retention_ms=60_000)
    batch_id = installation.submit(2)
    process = installation.process()
    process.acceptor.accept_batches()
    installation.fail_next(1)
    installation.ahead_ms += 60_000
    installation.ledger.cancel(item_job_id(batch_id, 1))
    batch = installation.read(batch_id)
    assert (batch.state, batch.failed) == (BatchState.FINISHED, 1)
    for _ in range(2):
        owner = BatchOwner(new_job_id(), RequestContext(), None)
        with pytest.raises(InvalidRequest, match="are past their retention"):
            process.service.retry(batch, owner)


def test_a_batch_without_a_manifest_was_never_accepted(installation: Installation) -> None:
    batch_id = installation.submit(3)
    installation.store.delete(batch_key(batch_id))
    installation.lose_data()
    installation.recovery().recover()
    assert installation.ledger.batches.read(batch_id) is None


def test_items_that_expired_before_they_became_jobs_are_refused(
    installation: Installation,
) -> None:
    batch_id = installation.submit(ITEMS_PER_CHUNK + 5)
    installation.store.delete(chunk_key(batch_id, 1))
    process = installation.process()
    process.acceptor.accept_batches()
    batch = installation.read(batch_id)
    assert (batch.queued, batch.refused) == (ITEMS_PER_CHUNK, 5)


def test_threads_prepare_items_without_mixing_their_order(installation: Installation) -> None:
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: installation.submit(50), range(4)))
    process = installation.process()
    for batch_id in batches:
        keys = [item.key for item in process.documents.read_chunk(batch_id, 0).items]
        assert keys == [f"item {number}" for number in range(50)]
