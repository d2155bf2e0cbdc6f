"""Predictions that a real Label Studio is pushed: each once, whatever stops meanwhile."""

import io
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from servers.process_cluster import ProcessCluster, kill_tree, running_api
from servers.real_label_studio import RealLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

TASKS = 8
LARGE_BATCH = 1_000
PUSH_LIMIT_S = 1_800


def noise(seed: int) -> bytes:
    """Return a small JPEG image that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).resize((160, 120)).save(encoded, "JPEG")
    return encoded.getvalue()


def photos(count: int) -> list[tuple[str, bytes]]:
    """Return images, each with the name of its file."""
    return [(f"{seed}.jpg", noise(seed)) for seed in range(count)]


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


def predictions_by_task(studio: RealLabelStudio, project: int) -> Counter[int]:
    """Count the predictions of each task."""
    return Counter(each["task"] for each in studio.predictions(project))


def wait_for_predictions(studio: RealLabelStudio, project: int, count: int) -> None:
    wait_until(
        lambda: studio.count_predictions(project) >= count,
        what=f"{count} predictions in Label Studio",
        limit_s=PUSH_LIMIT_S,
    )


def assert_one_for_each_task(studio: RealLabelStudio, project: int) -> None:
    tasks = [task["id"] for task in studio.tasks(project)]
    assert predictions_by_task(studio, project) == dict.fromkeys(tasks, 1)


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


@pytest.mark.timeout(3 * PUSH_LIMIT_S)
def test_the_answer_for_a_thousand_tasks_is_in_time_and_all_are_pushed(
    studio: RealLabelStudio,
    cluster: ProcessCluster,
    label_config: str,
    extra_params: str,
) -> None:
    project = studio.create_project(photos(LARGE_BATCH), label_config)
    studio.connect(project, f"{cluster.url}/label-studio", extra_params)
    cluster.start_stub_worker()
    cluster.start_dispatcher()
    started_s = time.monotonic()
    studio.retrieve_predictions(project)
    answered_s = time.monotonic() - started_s
    assert "Read timed out" not in studio.log
    wait_for_predictions(studio, project, LARGE_BATCH)
    print(f"answered after {answered_s:.1f} s, all pushed {time.monotonic() - started_s:.1f} s")
    assert_one_for_each_task(studio, project)
