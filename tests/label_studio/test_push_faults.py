"""A thousand tasks in one call, and all that takes part is killed while they are pushed."""

import time

import psutil
import pytest

from label_studio_pushes import PUSH_LIMIT_S, assert_one_for_each_task, wait_for_predictions
from seewhy.ledger.redis.ledger import open_ledger
from servers.process_cluster import ProcessCluster, kill_tree
from servers.real_label_studio import RealLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

BATCH_MS = 800
"""Of 8 images: all jobs take longer than what is killed meanwhile."""
STEP = 60
"""So many further predictions are pushed before something else is killed."""


def count_unfinished(cluster: ProcessCluster) -> int:
    return open_ledger(cluster.settings).counts().non_terminal


@pytest.mark.timeout(3 * PUSH_LIMIT_S)
def test_a_thousand_tasks_are_pushed_once_whatever_is_killed_and_replaced_meanwhile(
    studio: RealLabelStudio, cluster: ProcessCluster, large_project: int, valkey: RedisServer
) -> None:
    started_s = time.monotonic()

    def note(event: str) -> None:
        pushed = studio.count_predictions(large_project)
        print(f"{time.monotonic() - started_s:6.1f} s, {pushed:5,} pushed: {event}")

    def wait_for_more() -> None:
        wanted = studio.count_predictions(large_project) + STEP
        wait_for_predictions(studio, large_project, wanted)
        assert count_unfinished(cluster) > 0, "all jobs have ended"

    studio.retrieve_predictions(large_project)
    note("answered")
    assert "Read timed out" not in studio.log
    dispatcher = cluster.start_fast_dispatcher()
    worker = cluster.start_stub_worker(batch_ms=BATCH_MS)
    wait_for_more()
    note("the worker is killed")
    kill_tree(worker)
    cluster.start_stub_worker(batch_ms=BATCH_MS)
    wait_for_more()
    note("the dispatcher is killed")
    kill_tree(dispatcher)
    dispatcher = cluster.start_fast_dispatcher()
    wait_for_more()
    note("Valkey is killed")
    valkey.kill()
    valkey.start()
    wait_for_more()
    note("Label Studio is killed")
    studio.kill()
    failed = "Label Studio does not answer"
    failures = cluster.read_log("dispatcher").count(failed)
    wait_until(
        lambda: cluster.read_log("dispatcher").count(failed) > failures, what="a push to fail"
    )
    sender = psutil.Process(dispatcher.pid)
    sender.suspend()  # its attempts would end before a slow machine has started Label Studio
    studio.start()
    sender.resume()
    note("Label Studio answers again")
    wait_for_predictions(studio, large_project, len(studio.tasks(large_project)))
    note("the end")
    assert_one_for_each_task(studio, large_project)
