"""The contract of the worker registry, on the memory ledger and on real servers."""

from dataclasses import replace

from ledger_harness import POLICY, START_MS, LedgerHarness
from seewhy.ledger.types import (
    Measurement,
    ModelDemand,
    ModelPresence,
    RegisteredWorker,
    Submission,
    WorkerDetails,
    lane_of,
)
from seewhy.ledger.types.workers import ASSUMED_PASS_US, MEASURED_VALUES, MEASUREMENTS_LIMIT
from seewhy.schemas.job import Priority


def ids(harness: LedgerHarness) -> list[str]:
    return [worker.worker_id for worker in harness.workers.list_workers()]


def test_a_registered_worker_is_listed_with_its_models(harness: LedgerHarness) -> None:
    assert harness.workers.list_workers() == []
    harness.workers.register("w", models=["vgg16", "my model"])
    assert harness.workers.list_workers() == [
        RegisteredWorker("w", ("vgg16", "my model"), started_ms=START_MS, seen_ms=START_MS)
    ]


def test_a_worker_is_listed_with_what_it_said_about_itself_last(harness: LedgerHarness) -> None:
    idle = WorkerDetails(version="1.2", engine="tensorflow 2.21.0", pinned_to="gpu:1")
    busy = replace(idle, jobs=16, images_per_s={"my model": 123.456, "vgg16": 0.5})
    for details in (idle, busy):
        harness.workers.register("w", models=["vgg16"], details=details)
        assert [worker.details for worker in harness.workers.list_workers()] == [details]


def test_a_registration_expires_after_a_lease(harness: LedgerHarness) -> None:
    harness.workers.register("w", models=["vgg16"])
    harness.advance(POLICY.lease_ms - 1)
    assert ids(harness) == ["w"]
    harness.advance(1)
    assert ids(harness) == []


def test_a_renewed_registration_keeps_its_start(harness: LedgerHarness) -> None:
    harness.workers.register("w", models=["vgg16"])
    harness.advance(POLICY.lease_ms // 2)
    harness.workers.register("w", models=["vgg16"])
    harness.advance(POLICY.lease_ms // 2)
    (worker,) = harness.workers.list_workers()
    assert worker.started_ms == START_MS
    assert worker.seen_ms == START_MS + POLICY.lease_ms // 2


def test_an_unregistered_worker_is_not_listed(harness: LedgerHarness) -> None:
    for worker_id in ("v", "w"):
        harness.workers.register(worker_id, models=["vgg16"])
    harness.workers.unregister("v")
    harness.workers.unregister("unknown")
    assert ids(harness) == ["w"]


def test_all_workers_can_be_unregistered(harness: LedgerHarness) -> None:
    for worker_id in ("v", "w"):
        harness.workers.register(worker_id, models=["vgg16"])
    harness.workers.unregister_all()
    assert ids(harness) == []


def test_workers_are_listed_oldest_first(harness: LedgerHarness) -> None:
    for worker_id in ("b", "c", "a"):
        harness.workers.register(worker_id, models=["vgg16"])
        harness.advance(1)
    harness.workers.register("b", models=["vgg16"])
    assert ids(harness) == ["b", "c", "a"]


def test_models_are_remembered_after_their_last_worker(harness: LedgerHarness) -> None:
    assert harness.workers.model_presence() == {}
    harness.workers.register("v", models=["vgg16", "my model"])
    harness.advance(10)
    harness.workers.register("w", models=["vgg16"])
    harness.advance(5)
    assert harness.workers.model_presence() == {
        "vgg16": ModelPresence(
            2, START_MS + 10, unseen_ms=5, devices={"cpu": 2}, loaded={"cpu": 2}
        ),
        "my model": ModelPresence(1, START_MS, unseen_ms=15, devices={"cpu": 1}, loaded={"cpu": 1}),
    }
    harness.workers.unregister("w")
    harness.advance(POLICY.lease_ms)
    presence = harness.workers.model_presence()
    assert [each.workers for each in presence.values()] == [0, 0]
    assert presence["vgg16"].unseen_ms == POLICY.lease_ms + 5


def measure(harness: LedgerHarness, name: str, *values: float, device: str = "cpu") -> None:
    measured = Measurement("vgg16", name, values)
    harness.workers.register("w", models=["vgg16"], device=device, measurements=[measured])


def test_the_last_values_of_each_measurement_are_kept_by_device(harness: LedgerHarness) -> None:
    measure(harness, "gradcam", 1.5, 2.25)
    measure(harness, "gradcam", 3.0)
    measure(harness, "load:long", 1.1, device="NVIDIA H200")
    harness.workers.unregister("w")
    assert harness.workers.device_times() == {
        "vgg16": {"cpu": {"gradcam": (1.5, 2.25, 3.0)}, "NVIDIA H200": {"load:long": (1.1,)}}
    }
    measure(harness, "gradcam", *[9.0] * (MEASURED_VALUES - 1))
    assert harness.workers.device_times()["vgg16"]["cpu"]["gradcam"] == (3.0, *[9.0] * 31)


def test_a_model_has_a_limited_number_of_measurements(harness: LedgerHarness) -> None:
    for n in range(MEASUREMENTS_LIMIT + 5):
        measure(harness, f"method-{n}", 1.0)
    measure(harness, "method-0", 2.0)
    kept = harness.workers.device_times()["vgg16"]["cpu"]
    assert len(kept) == MEASUREMENTS_LIMIT
    assert kept["method-0"] == (1.0, 2.0)


def test_the_workers_of_a_model_are_counted_by_device(harness: LedgerHarness) -> None:
    for worker, device in (("a", "cpu"), ("b", "gpu"), ("c", "gpu")):
        harness.workers.register(worker, models=["vgg16"], device=device)
    assert harness.workers.model_presence()["vgg16"].devices == {"cpu": 1, "gpu": 2}
    assert [worker.device for worker in harness.workers.list_workers()] == ["cpu", "gpu", "gpu"]


def test_a_model_on_demand_is_served_before_it_is_loaded(harness: LedgerHarness) -> None:
    harness.workers.register("v", models=["vgg16"], on_demand=["my model"], device="gpu")
    harness.workers.register("w", models=["my model"], on_demand=["my model"])
    presence = harness.workers.model_presence()
    assert (presence["my model"].workers, presence["my model"].last_seen_ms) == (2, START_MS)
    assert presence["my model"].devices == {"cpu": 1, "gpu": 1}
    assert presence["my model"].loaded == {"cpu": 1}
    assert [worker.on_demand for worker in harness.workers.list_workers()] == [("my model",)] * 2


def submit(harness: LedgerHarness, job_id: str, *, lane: str, cost: int) -> None:
    harness.ledger.submit(Submission(job_id, lane, "{}", None, cost=cost))


def test_the_demand_for_a_model_counts_its_ready_jobs_and_the_other_workers(
    harness: LedgerHarness,
) -> None:
    lanes = [
        lane_of("m", Priority.INTERACTIVE),
        lane_of("m", Priority.BATCH),
        lane_of("m", Priority.BATCH, long=True),
    ]
    for number, lane in enumerate(lanes):
        submit(harness, f"job-{number}", lane=lane, cost=2_000)
        harness.advance(10)
    submit(harness, "another", lane=lane_of("n", Priority.BATCH), cost=1_000)
    harness.workers.register("v", models=["n"], loading="m")
    harness.workers.register("w", models=["m"], loading="m")
    passes, pass_ms = 6, ASSUMED_PASS_US // 1000
    assert harness.workers.demand("w", ["m", "n", "unknown"]) == {
        "m": ModelDemand(
            ready=3, interactive=1, waited_ms=30, device_ms=passes * pass_ms, loaded=0, loading=1
        ),
        "n": ModelDemand(ready=1, waited_ms=0, device_ms=pass_ms, loaded=1),
        "unknown": ModelDemand(),
    }
    harness.ledger.claim(lanes, owner="w", limit=3)
    assert harness.workers.demand("v", ["m"]) == {"m": ModelDemand(loaded=1, loading=1)}


def test_no_more_workers_begin_to_load_a_model_than_were_agreed(harness: LedgerHarness) -> None:
    assert not harness.workers.begin_load("u", "m", others=9), "it is not registered"
    for worker_id in ("u", "v", "w"):
        harness.workers.register(worker_id, models=[])
    assert harness.workers.begin_load("u", "m", others=0)
    assert not harness.workers.begin_load("v", "m", others=0)
    assert harness.workers.begin_load("v", "m", others=1)
    assert [worker.loading for worker in harness.workers.list_workers()] == ["m", "m", ""]
    harness.workers.register("u", models=["m"])
    harness.workers.register("v", models=[])
    assert not harness.workers.begin_load("w", "m", others=0), "one has it loaded"
    assert harness.workers.begin_load("w", "m", others=1)
    harness.advance(POLICY.lease_ms)
    harness.workers.register("v", models=[])
    assert harness.workers.begin_load("v", "m", others=0), "the others have expired"
