"""A real Label Studio, which `make test-label-studio` installs; other runs skip these tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_page import block
from label_studio_pushes import photos
from servers.process_cluster import ProcessCluster, running_api
from servers.real_label_studio import RealLabelStudio, running_label_studio
from servers.valkey import RedisServer

LARGE_BATCH = 1_000


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLabelStudio]:
    """A Label Studio whose user is logged in."""
    command = os.environ.get("TEST_LABEL_STUDIO")
    if command is None:
        pytest.skip("run `make test-label-studio`")
    folder = tmp_path_factory.mktemp("label-studio")
    with running_label_studio(str(Path(command).resolve()), folder) as studio:
        yield studio


@pytest.fixture
def cluster(
    studio: RealLabelStudio, valkey: RedisServer, tmp_path: Path
) -> Iterator[ProcessCluster]:
    """An API that pushes to Label Studio; no worker and no dispatcher runs."""
    with running_api(
        valkey,
        tmp_path,
        label_studio_url=studio.url,
        label_studio_api_key=studio.personal_token,
    ) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def many_tasks(studio: RealLabelStudio, label_config: str) -> int:
    """A project with a thousand tasks, without a backend."""
    return studio.create_project(photos(LARGE_BATCH), label_config)


@pytest.fixture
def large_project(
    studio: RealLabelStudio, cluster: ProcessCluster, many_tasks: int, extra_params: str
) -> Iterator[int]:
    """The project with a thousand tasks and no predictions, connected to the backend."""
    backend = studio.connect(many_tasks, f"{cluster.url}/label-studio", extra_params)
    yield many_tasks
    studio.call("DELETE", f"ml/{backend}")
    studio.act_on_all_tasks(many_tasks, "delete_tasks_predictions")


@pytest.fixture(scope="session")
def label_config() -> str:
    """The labeling interface of the documentation."""
    return block("xml")


@pytest.fixture(scope="session")
def extra_params() -> str:
    """The extra parameters of the documentation."""
    return block("json")
