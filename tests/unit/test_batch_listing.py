"""Listing the items of a batch, stopped and lost at any point, while the folder changes."""

from collections.abc import Iterator
from typing import Any

import pytest

from batch_installation import IMAGE, REQUEST, Installation
from optionals import present
from seewhy.batches.item_jobs import BatchOwner
from seewhy.batches.new_batch import NewBatch
from seewhy.errors import (
    ImageUnreachable,
    ImageUrlRefused,
    InvalidRequest,
    StoreUnavailable,
    UnknownMethod,
)
from seewhy.ids import new_job_id
from seewhy.jobs.batch_documents import ITEMS_PER_CHUNK, BatchOptions, ListedImages
from seewhy.ledger.types import BatchState
from seewhy.schemas.context import RequestContext
from seewhy.schemas.request import ExplanationRequest

PREFIX = "s3://photos/2026/"


class Folder:
    """A folder of a bucket, which changes and fails."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.listed = 0
        self.error: Exception | None = None

    def fill(self, count: int, *, size_bytes: int = 1, name: str = "image") -> list[str]:
        names = [f"{name}-{number:05}.png" for number in range(count)]
        self.sizes |= dict.fromkeys(names, size_bytes)
        return names

    def check(self, url: str) -> None:
        assert url.startswith(PREFIX)

    def read(self, url: str, *, client: str) -> bytes:
        if url.removeprefix(PREFIX) not in self.sizes:
            raise ImageUnreachable("There is nothing.")
        return IMAGE

    def check_prefix(self, url: str) -> None:
        if url != PREFIX:
            raise ImageUrlRefused("Not allowed.")

    def list_urls(self, prefix: str, *, after: str | None = None) -> Iterator[tuple[str, int]]:
        for name in sorted(self.sizes):
            if after is None or prefix + name > after:
                if self.error:
                    raise self.error
                self.listed += 1
                yield prefix + name, self.sizes[name]


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def folder() -> Folder:
    return Folder()


@pytest.fixture
def installation(folder: Folder) -> Installation:
    return Installation(folders=folder, settings={"batch_max_items": 350})


def submit(installation: Installation, *, prefix: str = PREFIX, request: Any = REQUEST) -> str:
    owner = BatchOwner(new_job_id(), RequestContext(), None)
    options = BatchOptions(listed=ListedImages(prefix=prefix, request=request))
    installation.process().service.accept(NewBatch((), owner, options, "https://hooks.test/x"))
    return owner.batch_id


def accept(installation: Installation) -> None:
    installation.process().acceptor.accept_batches()


def keys(installation: Installation, batch_id: str) -> list[str | None]:
    results = installation.process().results
    return [item.key for item in results.read(installation.read(batch_id))]


def test_the_objects_of_a_folder_become_jobs_in_their_order(
    installation: Installation, folder: Folder
) -> None:
    names = folder.fill(230)
    folder.fill(3, size_bytes=0, name="folder")
    batch_id = submit(installation)
    batch = installation.read(batch_id)
    assert (batch.state, batch.total, folder.listed) == (BatchState.LISTING, 0, 0)
    accept(installation)
    batch = installation.read(batch_id)
    assert (batch.state, batch.total, batch.queued) == (BatchState.RUNNING, 230, 230)
    assert keys(installation, batch_id) == names
    assert installation.ledger.counts().accepted == 230
    installation.fail_next(230)
    assert installation.read(batch_id).state is BatchState.FINISHED


@pytest.mark.parametrize("count", [1, ITEMS_PER_CHUNK, 2 * ITEMS_PER_CHUNK, 350])
def test_a_folder_of_any_size_up_to_the_limit_is_listed(
    installation: Installation, folder: Folder, count: int
) -> None:
    names = folder.fill(count)
    batch_id = submit(installation)
    accept(installation)
    assert keys(installation, batch_id) == names
    assert installation.read(batch_id).queued == count


@pytest.mark.parametrize("call", range(12))
@pytest.mark.parametrize("when", ["before", "after"])
def test_another_process_continues_a_listing_that_stopped_anywhere(
    installation: Installation,
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    when: str,
) -> None:
    """The process dies at one of its writes; then one object is added and one is removed."""
    names = folder.fill(250)
    batch_id = submit(installation)
    dying = installation.process()
    calls = iter(range(100))

    def deadly(write: Any) -> Any:
        def write_and_die(*arguments: Any, **named: Any) -> Any:
            is_last = next(calls) == call
            if is_last and when == "before":
                raise Killed
            answer = write(*arguments, **named)
            if is_last:
                raise Killed
            return answer

        return write_and_die

    batches = installation.ledger.batches
    monkeypatch.setattr(batches, "extend", deadly(batches.extend))
    monkeypatch.setattr(batches, "submit_many", deadly(batches.submit_many))
    documents = dying.documents
    monkeypatch.setattr(documents, "write_chunk", deadly(documents.write_chunk))
    with pytest.raises(Killed):
        dying.acceptor.accept_batches()
    monkeypatch.undo()
    known = set(keys(installation, batch_id))
    del folder.sizes[names[50]]
    folder.fill(1, name="a-first")
    installation.ahead_ms += 2_000
    accept(installation)
    batch = installation.read(batch_id)
    assert (batch.state, batch.position) == (BatchState.RUNNING, batch.total)
    found = keys(installation, batch_id)
    assert len(found) == len(set(found)) == batch.total, "nothing twice"
    assert known | set(names[:50]) | set(names[51:]) <= set(found), "nothing lost"
    assert batch.queued + batch.refused == batch.total
    assert installation.ledger.counts().accepted == batch.queued


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_listing_continues_after_a_loss_of_redis(
    installation: Installation, folder: Folder, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = folder.fill(250)
    batch_id = submit(installation)
    dying = installation.process()
    extended = iter(range(100))
    extend = installation.ledger.batches.extend

    def die_at_a_chunk(*arguments: Any, count: int, **named: Any) -> Any:
        if count and next(extended) == chunks:
            raise Killed
        return extend(*arguments, count=count, **named)

    monkeypatch.setattr(installation.ledger.batches, "extend", die_at_a_chunk)
    with pytest.raises(Killed):
        dying.acceptor.accept_batches()
    installation.lose_data()
    installation.recovery().recover()
    assert installation.read(batch_id).state is BatchState.LISTING
    del folder.sizes[names[10]]
    accept(installation)
    assert keys(installation, batch_id) == names, "the first chunk was listed already"
    assert (installation.read(batch_id).queued, installation.read(batch_id).refused) == (249, 1)


def test_a_process_without_the_lease_writes_no_chunk(
    installation: Installation, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.fill(5)
    batch_id = submit(installation)
    slow = installation.process()
    list_urls = folder.list_urls

    def list_late(*arguments: Any, **named: Any) -> Iterator[tuple[str, int]]:
        installation.ahead_ms += 2_000
        assert installation.ledger.batches.lease("another", lease_ms=60_000) is not None
        return list_urls(*arguments, **named)

    monkeypatch.setattr(folder, "list_urls", list_late)
    slow.acceptor.accept_batches()
    assert list(installation.store.list_keys("jobs/")) == [
        key for key in installation.store.list_keys("jobs/") if key.endswith(".batch.json")
    ]
    assert installation.read(batch_id).total == 0


@pytest.mark.parametrize(
    ("count", "size_bytes", "code"),
    [
        (351, 1, "batch_too_large"),
        (10_000, 1, "batch_too_large"),
        (10_000, 0, "batch_too_large"),
        (0, 1, "invalid_request"),
        (350, 0, "invalid_request"),
    ],
)
def test_a_folder_with_too_much_or_nothing_fails_the_batch(
    installation: Installation, folder: Folder, count: int, size_bytes: int, code: str
) -> None:
    folder.fill(count, size_bytes=size_bytes)
    batch_id = submit(installation)
    accept(installation)
    batch = installation.read(batch_id)
    assert (batch.state, batch.error_code, batch.total) == (BatchState.FAILED, code, 0)
    assert folder.listed <= 351, "it stops at the limit"
    assert keys(installation, batch_id) == []
    assert installation.ledger.counts().accepted == 0
    lease = present(installation.ledger.outbox.lease_origin(limit=1))
    assert lease.deliveries[0].subject_id == batch_id

    installation.lose_data()
    installation.recovery().recover()
    folder.sizes = {"one": 1}
    accept(installation)
    again = installation.read(batch_id)
    assert (again.state, again.error_code) == (BatchState.FAILED, code), "after a loss of Redis"


def test_a_folder_that_cannot_be_listed_fails_the_batch_and_an_outage_delays_it(
    installation: Installation, folder: Folder
) -> None:
    names = folder.fill(3)
    folder.error = StoreUnavailable("down")
    batch_id = submit(installation)
    accept(installation)
    assert installation.read(batch_id).state is BatchState.LISTING
    folder.error = None
    installation.ahead_ms += 1_000
    accept(installation)
    assert keys(installation, batch_id) == names

    folder.error = ImageUnreachable("No such bucket.")
    failed = submit(installation)
    accept(installation)
    assert installation.read(failed).error_detail == "No such bucket."


@pytest.mark.parametrize("listed", [0, 1])
def test_a_batch_that_is_cancelled_while_listing_runs_nothing(
    installation: Installation, folder: Folder, listed: int
) -> None:
    folder.fill(250)
    batch_id = submit(installation)
    batches = installation.ledger.batches
    if listed:
        process = installation.process()
        leased = present(batches.lease("one", lease_ms=1_000))
        chunks = process.acceptor._lister.chunks(
            batch_id,
            BatchOptions.model_validate_json(leased.batch),
            first=0,
            only_stored=False,
            before_writing=lambda: None,
        )
        count = len(next(chunks).items)
        batches.extend(batch_id, "one", first=0, count=count, lease_ms=1_000)
        batches.release(batch_id, "one")
    batches.cancel(batch_id)
    accept(installation)
    batch = installation.read(batch_id)
    assert (batch.state, batch.total) == (BatchState.CANCELLED, listed * ITEMS_PER_CHUNK)
    assert batch.dropped == batch.total
    assert installation.ledger.counts().accepted == 0


def test_a_mistake_is_refused_before_anything_is_accepted(installation: Installation) -> None:
    with pytest.raises(ImageUrlRefused):
        submit(installation, prefix="s3://other/")
    with pytest.raises(UnknownMethod):
        submit(installation, request=ExplanationRequest(method="none"))
    assert list(installation.store.list_keys("jobs/")) == []


def test_a_retry_of_a_listed_batch_lists_nothing(
    installation: Installation, folder: Folder
) -> None:
    folder.fill(3)
    batch_id = submit(installation)
    accept(installation)
    installation.fail_next(3)
    folder.fill(9)
    process = installation.process()
    owner = BatchOwner(new_job_id(), RequestContext(), None)
    process.service.retry(installation.read(batch_id), owner)
    accept(installation)
    batch = installation.read(owner.batch_id)
    assert (batch.state, batch.queued) == (BatchState.RUNNING, 3)
    with pytest.raises(InvalidRequest):
        process.service.accept(NewBatch((), owner, BatchOptions()))
