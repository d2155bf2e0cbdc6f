"""Draining with the in-memory ledger and store, and an explainer that misbehaves on demand."""

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.client.responses import ExplanationResult
from seewhy.errors import OutOfMemory, StoreUnavailable
from seewhy.imaging import codecs
from seewhy.imaging.maps import decode_npy
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import LedgerPolicy, Submission, lanes_of
from seewhy.schemas.job import Job, JobState, MethodOptions
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.storage.keys import image_key
from seewhy.storage.obstore_adapter import memory_store
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.types import ImageExplanation, PreparedImage
from seewhy_worker.pipeline.batch_runner import BatchRunner, PipelineDeps
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.fetch import ImageFetcher
from seewhy_worker.pipeline.leases import Leases
from seewhy_worker.pipeline.publish import ResultPublisher
from seewhy_worker.pipeline.watchdog import Watchdog
from seewhy_worker.stub import StubExplainer
from servers.waiting import wait_until

LANE = lanes_of("m")[0]
SHA = "0" * 64


class Moody(StubExplainer):
    """Runs a hook before each batch; remembers the sizes of the batches it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[Sequence[PreparedImage]], None] = lambda _: None
        self.sizes: list[int] = []

    def explain(
        self,
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[int, ...]],
        recipes: Sequence[MethodOptions] | None = None,
    ) -> list[ImageExplanation]:
        self.sizes.append(len(prepared))
        self.before(prepared)
        return super().explain(prepared, targets, recipes)


@dataclass
class Room:
    """A worker without Celery."""

    now_ms: int = 0
    store: ObjectStore = field(default_factory=memory_store)
    explainer: Moody = field(default_factory=Moody)
    max_batch: int = 4
    submitted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.helpers = ThreadPoolExecutor(4)
        self.ledger = MemoryLedger(policy=LedgerPolicy(), clock_ms=lambda: self.now_ms)
        self.leases = Leases(ledger=self.ledger, lease_s=30)
        self.device = Device(
            self.explainer, max_batch=self.max_batch, watchdog=Watchdog(timeout_s=60)
        )
        self.drain = BatchRunner(
            PipelineDeps(
                ledger=self.ledger,
                outbox=self.ledger.outbox,
                wakeups=WakeupPublisher(create_celery("redis://127.0.0.1:1/0", lanes=[])),
                store=self.store,
                leases=self.leases,
                intake=ImageFetcher(store=self.store, max_pixels=1_000_000),
                devices={"m": self.device},
                publication=ResultPublisher(store=self.store, versions={"seewhy": "test"}),
            ),
            owner="w",
            helpers=self.helpers,
            report_within_s=0,
        )

    def submit(self, *job_ids: str, key: str = image_key(SHA), **changes: object) -> None:
        for job_id in job_ids:
            job = Job(
                model="m", method="gradcam", targets=(-1,), outputs=("overlay",), image_key=key,
                image_width_px=451, image_height_px=300,
            ).model_copy(update=changes)  # fmt: skip
            self.ledger.submit(Submission(job_id, LANE, job.model_dump_json()))
            self.submitted.append(job_id)

    def states(self) -> list[JobState]:
        return [self.ledger.read(job_id).state for job_id in self.submitted]

    def ended(self, job_id: str) -> tuple[JobState, str | None]:
        record = self.ledger.read(job_id)
        assert record is not None
        return record.state, record.error_code


def ids(count: int) -> list[str]:
    return [f"01a20000-0000-7000-8000-{n:012d}" for n in range(count)]


@pytest.fixture
def room(photos: Path) -> Iterator[Room]:
    room = Room()
    room.store.put(image_key(SHA), (photos / "cat.jpg").read_bytes(), content_type="image/jpeg")
    yield room
    room.helpers.shutdown()


def test_what_is_waiting_is_run_in_batches_until_nothing_is_left(room):
    jobs = ids(6)
    room.submit(*jobs)
    assert room.drain.drain(LANE) == 6
    assert room.explainer.sizes == [4, 2]
    assert {room.ended(job) for job in jobs} == {(JobState.SUCCEEDED, None)}


def test_a_result_is_whole_before_the_state_moves(room):
    (job,) = ids(1)
    room.submit(job, targets=(2, 0), metadata={"task": 7})
    seen = []
    room.ledger.complete, complete = (
        lambda done: seen.extend(room.store.list_keys(f"results/{job}/")) or complete(done),
        room.ledger.complete,
    )
    room.drain.drain(LANE)
    assert sorted(seen) == [
        f"results/{job}/1/{n}" for n in ("map.npy", "overlay.jpg", "result.json")
    ]
    result = Result.model_validate_json(room.ledger.read(job).result)
    assert decode_npy(room.store.get(result.objects["map"])).shape == (2, 7, 7)
    assert [target.score.index for target in result.targets] == [2, 0]
    assert (result.image_width_px, result.image_height_px) == (451, 300)
    whole = json.loads(room.store.get(result.objects["result"]))
    assert (whole["job_id"], whole["metadata"], whole["versions"]) == (
        job,
        {"task": 7},
        {"seewhy": "test"},
    )


def test_a_job_s_recipe_reaches_the_explainer_and_its_drawing_the_store(room):
    plain, fixed, classic = jobs = ids(3)
    room.submit(plain)
    room.submit(
        fixed, method="hirescam", fallback=("layercam",), score="probability", layers=("conv",)
    )
    room.submit(classic, method="classic", score="probability", preset="classic")
    seen = []
    explain = room.explainer.explain
    room.explainer.explain = lambda *asked: seen.extend(asked[2]) or explain(*asked)
    room.drain.drain(LANE)
    hires = MethodOptions(
        method="hirescam", fallback=("layercam",), score="probability", layers=("conv",)
    )
    assert seen == [MethodOptions(), hires, MethodOptions(method="classic", score="probability")]
    results = [Result.model_validate_json(room.ledger.read(job).result) for job in jobs]
    assert [(r.method, r.score) for r in results] == [
        ("gradcam", "logit"),
        ("hirescam", "probability"),
        ("classic", "probability"),
    ]
    drawn = [room.store.get(result.objects["overlay"]) for result in results]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_fixed_scale_is_what_is_drawn(room):
    """The stub's brightness goes to 255, so the usual scale and 255 are near, and 1e6 is far."""
    jobs = ids(2)
    for job, normalize in zip(jobs, ("none", 1e6), strict=True):
        room.submit(job, normalize=normalize)
    room.drain.drain(LANE)
    full, faint = (
        codecs.decode(room.store.get(f"results/{job}/1/overlay.jpg"), max_pixels=1_000_000)
        for job in jobs
    )
    photo = codecs.decode(room.store.get(image_key(SHA)), max_pixels=1_000_000)
    assert np.abs(faint.astype(int) - photo).mean() < 5 < np.abs(full.astype(int) - photo).mean()


def test_no_overlay_is_made_when_none_is_wanted(room):
    (job,) = ids(1)
    room.submit(job, outputs=())
    room.drain.drain(LANE)
    assert sorted(room.store.list_keys(f"results/{job}/")) == [
        f"results/{job}/1/map.npy",
        f"results/{job}/1/result.json",
    ]


def test_a_picture_that_cannot_be_decoded_fails_alone(room):
    good, bad, gone = ids(3)
    room.store.put("images/bad", b"\xff\xd8\xff nonsense", content_type="image/jpeg")
    room.submit(good)
    room.submit(bad, key="images/bad")
    room.submit(gone, key="images/gone")
    room.drain.drain(LANE)
    assert room.ended(good) == (JobState.SUCCEEDED, None)
    assert room.ended(bad) == (JobState.FAILED, "broken_image")
    assert room.ended(gone) == (JobState.FAILED, "image_gone")


def test_the_guilty_picture_is_found_by_halving_and_fails_alone(room):
    jobs = ids(4)
    room.submit(*jobs)
    room.store.put("images/guilty", room.store.get(image_key(SHA)), content_type="image/jpeg")
    culprit: list[PreparedImage] = []

    def refuse(prepared: Sequence[PreparedImage]) -> None:
        culprit[:] = culprit or [prepared[2]]
        if any(picture is culprit[0] for picture in prepared):
            raise ValueError("a picture this network cannot stand")

    room.explainer.before = refuse
    room.drain.drain(LANE)
    assert room.explainer.sizes == [4, 2, 2, 1, 1]
    assert [room.ended(job) for job in jobs] == [
        (JobState.SUCCEEDED, None),
        (JobState.SUCCEEDED, None),
        (JobState.FAILED, "explainer_failed"),
        (JobState.SUCCEEDED, None),
    ]
    assert room.ledger.read(jobs[2]).error_detail == "the explainer failed on this picture"


def test_too_few_maps_are_a_failure_of_the_picture_that_brings_it_about(room):
    jobs = ids(4)
    room.submit(*jobs)
    explain = room.explainer.explain
    culprit: list[PreparedImage] = []

    def forget_one(prepared: Sequence[PreparedImage], *others: object) -> list[ImageExplanation]:
        culprit[:] = culprit or [prepared[2]]
        made = zip(prepared, explain(prepared, *others), strict=True)
        return [explained for picture, explained in made if picture is not culprit[0]]

    room.explainer.explain = forget_one
    assert room.drain.drain(LANE) == len(jobs)
    assert [room.ended(job) for job in jobs] == [
        (JobState.SUCCEEDED, None),
        (JobState.SUCCEEDED, None),
        (JobState.FAILED, "explainer_failed"),
        (JobState.SUCCEEDED, None),
    ]


@pytest.mark.parametrize("error", [OutOfMemory("the device is full"), MemoryError()])
def test_running_out_of_memory_halves_the_batches_for_good(room, error):
    jobs = ids(6)
    room.submit(*jobs)

    def refuse(prepared: Sequence[PreparedImage]) -> None:
        if len(prepared) > 2:
            raise error

    room.explainer.before = refuse
    room.drain.drain(LANE)
    assert room.explainer.sizes == [4, 2, 2, 2]
    assert {room.ended(job) for job in jobs} == {(JobState.SUCCEEDED, None)}


def test_memory_that_is_short_even_for_one_is_tried_again_later(room):
    (job,) = ids(1)
    room.submit(job)

    def refuse(_: Sequence[PreparedImage]) -> None:
        raise MemoryError

    room.explainer.before = refuse
    for attempt in (1, 2, 3):
        room.drain.drain(LANE)
        assert room.ledger.read(job).attempts == attempt
        room.now_ms += 60_000
        room.ledger.sweep()
    assert room.ended(job) == (JobState.FAILED, "out_of_memory")


def test_a_store_that_is_away_delays_the_job(room):
    (job,) = ids(1)
    room.submit(job)
    get = room.store.get

    def away(_: str) -> bytes:
        raise StoreUnavailable("the store does not answer")

    room.store.get = away
    room.drain.drain(LANE)
    assert room.ended(job) == (JobState.QUEUED, None)
    room.store.get = get
    room.now_ms += 60_000
    room.ledger.sweep()
    room.drain.drain(LANE)
    assert room.ended(job) == (JobState.SUCCEEDED, None)


@pytest.mark.parametrize("step", ["get", "put"])
def test_a_job_outlives_any_outage_of_the_store_as_a_whole(room, step):
    jobs = ids(6)
    room.submit(*jobs)
    working = {name: getattr(room.store, name) for name in (step, "check")}

    def away(*_: object, **__: object) -> bytes:
        raise StoreUnavailable("the store does not answer")

    for name in working:
        setattr(room.store, name, away)
    for _ in range(10):
        assert room.drain.drain(LANE) == 4, "the next batch would fare no better"
        room.now_ms += 60_000
        room.ledger.sweep()
    assert room.states() == [JobState.QUEUED] * 6
    for name, method in working.items():
        setattr(room.store, name, method)
    room.drain.drain(LANE)
    assert [room.ended(job) for job in jobs] == [(JobState.SUCCEEDED, None)] * 6
    assert {room.ledger.read(job).attempts for job in jobs} == {1}


def test_an_object_that_cannot_be_had_from_a_store_that_answers_costs_attempts(room):
    (job,) = ids(1)
    room.submit(job)

    def broken(_: str) -> bytes:
        raise StoreUnavailable("this object cannot be read")

    room.store.get = broken
    for _ in range(3):
        room.drain.drain(LANE)
        room.now_ms += 60_000
        room.ledger.sweep()
    assert room.ended(job) == (JobState.FAILED, "store_unavailable")


def test_stopping_gives_back_what_has_not_reached_the_device(room):
    jobs = ids(6)
    room.submit(*jobs)
    room.explainer.before = lambda _: room.drain.stop()
    room.drain.drain(LANE)
    assert [room.ended(job)[0] for job in jobs] == [JobState.SUCCEEDED] * 4 + [JobState.QUEUED] * 2
    assert room.ledger.read(jobs[5]).attempts == 0


def test_stopping_gives_back_at_once_what_waits_for_the_device(room):
    """While the device is busy, for as long as it likes."""
    jobs = ids(8)
    room.submit(*jobs)
    done = threading.Event()
    room.explainer.before = lambda _: done.wait(60)
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(room.drain.drain, LANE) for _ in range(2))
        wait_until(lambda: room.explainer.sizes == [4], what="one batch is on the device")
        wait_until(lambda: room.states() == [JobState.RUNNING] * 8, what="the other waits for it")
        room.drain.stop()
        try:
            wait_until(
                lambda: JobState.QUEUED in room.states(), what="it is given back", limit_s=10
            )
        finally:
            done.set()
        assert {first.result(), second.result()} == {4}
    ended = [room.ledger.read(job) for job in jobs]
    assert sorted((record.state, record.attempts) for record in ended) == [
        *[(JobState.QUEUED, 0)] * 4,
        *[(JobState.SUCCEEDED, 1)] * 4,
    ]


def test_a_job_cancelled_while_it_is_fetched_is_not_explained(room):
    kept, dropped = ids(2)
    room.submit(kept, dropped)
    get = room.store.get

    def cancel_meanwhile(key: str) -> bytes:
        room.ledger.cancel(dropped)
        room.leases.renew()
        return get(key)

    room.store.get = cancel_meanwhile
    room.drain.drain(LANE)
    assert room.ended(kept) == (JobState.SUCCEEDED, None)
    assert room.ended(dropped) == (JobState.CANCELLED, None)
    assert room.explainer.sizes == [1]


def test_a_lease_lost_on_the_way_costs_nothing_but_the_work(room):
    (job,) = ids(1)
    room.submit(job)

    def lose(_: Sequence[PreparedImage]) -> None:
        room.now_ms += 31_000
        room.ledger.sweep()
        room.explainer.before = lambda _: None

    room.explainer.before = lose
    assert room.drain.drain(LANE) == 2, "once stale, once more"
    record = room.ledger.read(job)
    assert (record.state, record.attempts, record.crashes) == (JobState.SUCCEEDED, 2, 1)
    result = Result.model_validate_json(record.result)
    assert result.objects["map"] == f"results/{job}/2/map.npy", "the winner's, not the loser's"


def test_a_network_that_gives_nonsense_says_so_in_json(room):
    """The verdict tells; NaN is no JSON, so the numbers are null, and NaN again in the client."""
    (job,) = ids(1)
    room.submit(job)
    explain = room.explainer.explain

    def nonsense(
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[int, ...]],
        recipes: Sequence[MethodOptions] | None,
    ) -> list[ImageExplanation]:
        (good,) = explain(prepared, targets, recipes)
        score = ClassScore(index=0, label="0", logit=math.nan, probability=math.nan)
        target = TargetResult(
            score=score, verdict=Verdict.NOT_FINITE, minimum=math.nan, maximum=math.inf
        )
        maps = np.full_like(good.maps, np.nan)
        return [replace(good, maps=maps, targets=(target,), top=(score,))]

    room.explainer.explain = nonsense
    room.drain.drain(LANE)
    assert room.ended(job) == (JobState.SUCCEEDED, None)
    text = room.ledger.read(job).result
    assert json.loads(text, parse_constant=pytest.fail)["targets"][0]["verdict"] == "not_finite"
    (target,) = ExplanationResult.model_validate_json(text).targets
    assert math.isnan(target.score.logit)
    assert math.isnan(target.maximum)
