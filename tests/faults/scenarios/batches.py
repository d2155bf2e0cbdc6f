"""Batches under the faults that single jobs survive. Each adds a batch to the load."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from faults.batch_submitter import (
    SubmittedBatch,
    assert_all_succeeded,
    read_batch,
    submit_batch,
)
from faults.environment import Environment
from faults.scenario import scenario
from servers.waiting import wait_until

FEW = 0.29
"""So few jobs for each item may be open that its batch is being accepted while the first run."""


@scenario(
    "F40",
    "the API is killed while it receives a batch, and while the items become jobs",
    load_s=6.0,
    batch_ms=20,
    settings={"lease_s": 1.0},
    queue_limit_per_item=FEW,
)
def kill_api_while_accepting(env: Environment) -> None:
    """Kill the API at random moments until the batch runs."""
    with _submitting(env, "killed") as submitted:
        for _ in range(4):
            env.pause(0.1, 0.6)
            env.kill_api()
            env.record_fault()
            env.api.start_api()
    batch = submitted()
    wait_until(lambda: read_batch(env, batch) is not None, what="the API answers again")
    assert _status(env, batch) == "accepting", "too late to stop it while accepting"
    env.kill_api()
    env.api.start_api()
    assert_all_succeeded(env, batch)


@scenario(
    "F41",
    "workers are killed while they run a batch",
    load_s=3.0,
    batch_ms=100,
    settings={"lease_s": 1.0},
)
def kill_workers_while_running(env: Environment) -> None:
    """Kill three workers in the middle of their batches."""
    batch = submit_batch(env, "running")
    for _ in range(3):
        _await_progress(env, batch, 20)
        env.await_running()
        env.kill(env.workers[-1])
        env.record_fault()
        env.workers.start(batch_ms=20)
    assert_all_succeeded(env, batch)


@scenario(
    "F42",
    "Redis loses everything while the items of a batch become jobs, and while they run",
    load_s=6.0,
    batch_ms=50,
    queue_limit_per_item=FEW,
)
def lose_redis(env: Environment) -> None:
    """Empty Redis twice; the batch is restored and ends."""
    batch = submit_batch(env, "flushed")
    _await_progress(env, batch, 30)
    assert _status(env, batch) == "accepting", "too late to lose it while accepting"
    env.flush_redis()
    env.record_fault()
    wait_until(lambda: _status(env, batch) == "running", what="all items are jobs", limit_s=90)
    env.flush_redis()
    env.record_fault()
    assert_all_succeeded(env, batch)


@scenario(
    "F43",
    "the object store is unavailable while a batch is received, becomes jobs, and runs",
    load_s=4.0,
    batch_ms=50,
    on_s3=True,
)
def break_store(env: Environment) -> None:
    """Refuse connections to the store three times."""
    store = env.store_proxy
    assert store is not None
    with _submitting(env, "stored") as submitted:
        for _ in range(2):
            env.pause(0.2, 0.8)
            store.refuse()
            env.pause(0.5, 1.5)
            store.heal()
    batch = submitted()
    _await_progress(env, batch, 10)
    store.refuse()
    env.pause(3, 5)
    store.heal()
    env.record_fault()
    assert_all_succeeded(env, batch)


@contextmanager
def _submitting(env: Environment, name: str) -> Iterator[Callable[[], SubmittedBatch]]:
    """Submit a batch in a thread beside the block; the yielded function returns it."""
    accepted: list[SubmittedBatch] = []
    thread = threading.Thread(target=lambda: accepted.append(submit_batch(env, name)), name="batch")
    thread.start()

    def result() -> SubmittedBatch:
        thread.join()
        assert accepted, "the batch was never accepted"
        return accepted[0]

    try:
        yield result
    finally:
        thread.join()


def _status(env: Environment, batch: SubmittedBatch) -> str | None:
    view = read_batch(env, batch)
    return view and str(view["status"])


def _await_progress(env: Environment, batch: SubmittedBatch, items: int) -> None:
    """Return when some more items of a batch have succeeded, or all of them."""

    def succeeded() -> int:
        view = read_batch(env, batch)
        return int(view["counts"]["succeeded"]) if view else 0

    wanted = min(succeeded() + items, batch.size)
    wait_until(lambda: succeeded() >= wanted, what=f"{wanted} items have succeeded", limit_s=90)
