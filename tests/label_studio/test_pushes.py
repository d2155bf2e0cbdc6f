"""Predictions that a real Label Studio is pushed: each once, whatever stops meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from label_studio_pushes import assert_one_for_each_task, photos, wait_for_predictions
from servers.process_cluster import ProcessCluster, kill_tree, running_api
from servers.real_label_studio import RealLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

TASKS = 8


@pytest.fixture
def cluster(
    studio: RealLabelStudio, valkey: RedisServer, tmp_path: Path
) -> Iterator[ProcessCluster]:
    """An API that pushes to Label Studio; no worker and no dispatcher runs.

    Workers explain one image at a time, so that predictions come one by one.
    """
    with running_api(
        valkey,
        tmp_path,
        max_batch=1,
        label_studio_url=studio.url,
        label_studio_api_key=studio.personal_token,
    ) as cluster:
        yield cluster


@pytest.fixture
def project(
    studio: RealLabelStudio, cluster: ProcessCluster, label_config: str, extra_params: str
) -> int:
    """A project with eight tasks, connected to the backend."""
    project = studio.create_project(photos(TASKS), label_config)
    studio.connect(project, f"{cluster.url}/label-studio", extra_params)
    return project


def test_predictions_that_finish_after_the_answer_appear_once(
    studio: RealLabelStudio, cluster: ProcessCluster, project: int
) -> None:
    cluster.start_dispatcher()
    for _ in range(2):  # people retrieve again when they see nothing
        studio.retrieve_predictions(project)
        assert studio.predictions(project) == []
    cluster.start_stub_worker()
    wait_for_predictions(studio, project, TASKS)
    studio.retrieve_predictions(project)
    assert_one_for_each_task(studio, project)


def test_a_dispatcher_that_is_killed_while_it_pushes_leaves_nothing_twice_or_missing(
    studio: RealLabelStudio, cluster: ProcessCluster, project: int
) -> None:
    studio.retrieve_predictions(project)
    killed = cluster.start_fast_dispatcher()
    cluster.start_stub_worker(batch_ms=1_000)
    wait_for_predictions(studio, project, 1)
    assert killed.poll() is None, "it ended by itself"
    kill_tree(killed)
    assert 1 <= studio.count_predictions(project) < TASKS, "it was killed after its work"
    cluster.start_fast_dispatcher()
    wait_for_predictions(studio, project, TASKS)
    assert_one_for_each_task(studio, project)


def test_a_label_studio_that_is_killed_while_it_is_pushed_to_has_nothing_twice_or_missing(
    studio: RealLabelStudio, cluster: ProcessCluster, project: int
) -> None:
    studio.retrieve_predictions(project)
    dispatcher = psutil.Process(cluster.start_fast_dispatcher().pid)
    cluster.start_stub_worker(batch_ms=500)
    wait_for_predictions(studio, project, 1)
    studio.kill()
    wait_until(
        lambda: "Label Studio does not answer" in cluster.read_log("dispatcher"),
        what="a push to fail",
    )
    dispatcher.suspend()  # its attempts would end before a slow machine has started Label Studio
    studio.start()
    dispatcher.resume()
    wait_for_predictions(studio, project, TASKS)
    assert_one_for_each_task(studio, project)
