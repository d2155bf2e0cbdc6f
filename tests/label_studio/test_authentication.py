"""A real Label Studio that is connected with Basic authentication to a service with API keys."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from label_studio_page import block
from label_studio_pushes import (
    HEIGHT_PX,
    WIDTH_PX,
    assert_one_for_each_task,
    photos,
    wait_for_predictions,
)
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from servers.process_cluster import ProcessCluster, running_api
from servers.real_label_studio import RealLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

TASKS = 3
BOX = {
    "from_name": "box",
    "to_name": "image",
    "type": "rectanglelabels",
    "original_width": WIDTH_PX,
    "original_height": HEIGHT_PX,
    "image_rotation": 0,
    "value": {"x": 25, "y": 25, "width": 40, "height": 40, "rectanglelabels": ["evidence"]},
}


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """The keys of two tenants, which are in the store before the API starts."""
    store = KeyStore(open_store(load({}, store_url=f"file://{tmp_path}/objects")))
    tenants = ("radiology", "cardiology")
    return [store.create(tenant=tenant, scopes=Scope)[0].text for tenant in tenants]


@pytest.fixture
def service(
    studio: RealLabelStudio, valkey: RedisServer, keys: list[str], tmp_path: Path
) -> Iterator[ProcessCluster]:
    """A service that requires keys, with a stub worker and a dispatcher."""
    with running_api(
        valkey,
        tmp_path,
        auth="keys",
        label_studio_url=studio.url,
        label_studio_api_key=studio.personal_token,
    ) as service:
        service.start_stub_worker()
        service.start_dispatcher()
        yield service


@pytest.fixture
def project(studio: RealLabelStudio, label_config: str) -> int:
    """A project without a backend."""
    return studio.create_project(photos(TASKS), label_config)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def agreements(service: ProcessCluster, project: int, key: str) -> list[dict[str, Any]]:
    url = f"{service.url}/label-studio/projects/{project}/agreements"
    listed: list[dict[str, Any]] = httpx2.get(url, headers=bearer(key)).json()["agreements"]
    return listed


def give_webhook_the_key(studio: RealLabelStudio, project: int, key: str) -> None:
    """Run the commands of the documentation; their first line names the server and the project."""
    _, _, commands = block("sh", about="/api/webhooks/").partition("\n")
    values = {
        "LABEL_STUDIO": studio.url,
        "PROJECT": str(project),
        "SEEWHY_LABEL_STUDIO_API_KEY": studio.personal_token,
        "SEEWHY_KEY": key,
    }
    command = ["bash", "-euo", "pipefail", "-c", commands]
    subprocess.run(command, env=os.environ | values, check=True)


def test_the_tenant_of_the_password_owns_what_label_studio_asks_for(
    studio: RealLabelStudio,
    service: ProcessCluster,
    keys: list[str],
    project: int,
    extra_params: str,
) -> None:
    key, other = keys
    backend = studio.connect(project, f"{service.url}/label-studio", extra_params, password=key)
    assert studio.call("GET", f"ml/{backend}")["state"] == "CO"
    studio.retrieve_predictions(project)
    wait_for_predictions(studio, project, TASKS)
    assert_one_for_each_task(studio, project)
    give_webhook_the_key(studio, project, key)
    studio.annotate(studio.tasks(project)[0]["id"], [BOX])
    wait_until(lambda: bool(agreements(service, project, key)), what="the agreement of the box")
    (listed,) = agreements(service, project, key)
    assert agreements(service, project, other) == []
    url = f"{service.url}/v1/explanations/{listed['explanation']}"
    answers = [httpx2.get(url, headers=bearer(each)).status_code for each in (key, other)]
    assert answers == [200, 404]


@pytest.mark.parametrize("password", ["wrong", None])
def test_label_studio_shows_that_the_password_has_to_be_an_api_key(
    studio: RealLabelStudio,
    service: ProcessCluster,
    project: int,
    extra_params: str,
    password: str | None,
) -> None:
    with pytest.raises(AssertionError, match="401 Client Error: ") as refused:
        studio.connect(project, f"{service.url}/label-studio", extra_params, password=password)
    print(refused.value)
    assert "API key" in str(refused.value)
