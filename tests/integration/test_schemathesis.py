"""Schemathesis sends requests that follow and that violate the document to a real server."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from http_api import MODEL
from narrowed_document import narrow_document
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy.webhook_secrets import generate_secret
from seewhy_api.openapi.examples import BATCH_ITEMS, IMAGE_FOLDER, SMALL_PNG_BASE64
from servers.process_cluster import ProcessCluster, start_cluster
from servers.processes import environment_without_coverage
from servers.s3 import S3Server
from servers.valkey import RedisServer

TESTS = Path(__file__).parents[1]
EXAMPLES = 20
"""Generated requests for each operation in the fuzzing and the stateful phase."""
CONFIG = """
# A form of too many parts gets 413.
[checks.negative_data_rejection]
expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"
]

[[operations]]
include-operation-id = "redeliver_webhook"
# An explanation without a webhook gets 422: which explanations have one, a schema cannot say.
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]

[[operations]]
include-operation-id = "get_agreement"
# So does an explanation of no annotation.
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]

[[operations]]
include-operation-id = "receive_label_studio_event"
# Which fields an event has depends on its action.
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]

[[operations]]
include-operation-id = "retry_dead_letter"
# So does a failed job that was retried already.
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]

[[operations]]
include-operation-id = "retry_batch"
# So does a batch of which no item failed.
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "429"]
"""


@pytest.fixture
def settings(valkey: RedisServer, s3: S3Server, tmp_path: Path) -> Settings:
    """Settings of an API that requires keys and may list a bucket."""
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        **s3.settings("a-store") | {"store_url": f"file://{tmp_path}/objects"},
        default_model=MODEL,
        api_port=free_port(),
        image_buckets=IMAGE_FOLDER["image_prefix"].split("/")[2],
        auth="keys",
        webhook_secrets=generate_secret(),
        max_passes_per_request=100_000,  # which combinations are too many, a schema cannot say
    )


@pytest.fixture
def keys(settings: Settings) -> list[ApiKey]:
    """Two keys with all scopes. They exist before the API starts: it sees new ones later."""
    store = KeyStore(open_store(settings))
    return [store.create(tenant="a", scopes=Scope)[0] for _ in range(2)]


@pytest.fixture
def cluster(settings: Settings, keys: list[ApiKey], tmp_path: Path) -> Iterator[ProcessCluster]:
    """An API that requires keys, and a worker with the stub."""
    assert keys
    with start_cluster(settings, tmp_path) as cluster:
        cluster.start_api()
        cluster.start_stub_worker()
        yield cluster


@pytest.fixture
def resources(cluster: ProcessCluster, keys: list[ApiKey]) -> Mapping[str, Any]:
    """A finished explanation, its image, a batch, a key, and another that may be revoked."""
    key, leaked = keys
    response = httpx2.post(
        f"{cluster.url}/v1/explanations?wait=30",
        headers={"Authorization": f"Bearer {key.text}"},
        files={"image": base64.b64decode(SMALL_PNG_BASE64)},
        data={"request": json.dumps({"webhook": "https://hooks.test/x"})},
        timeout=40,
    )
    assert response.status_code == 200, response.text
    batch = httpx2.post(
        f"{cluster.url}/v1/batches",
        headers={
            "Authorization": f"Bearer {key.text}",
            "Content-Type": "application/x-ndjson",
        },
        content=BATCH_ITEMS,
    )
    assert batch.status_code == 202, batch.text
    return {
        "batch_id": batch.json()["id"],
        "job_id": response.json()["id"],
        "image_id": response.json()["image_id"],
        "key_id": leaked.key_id,
        "failed_id": response.json()["id"],
        "own_key_id": key.key_id,
        "key": key.text,
    }


def test_every_operation_passes_every_check(
    cluster: ProcessCluster, resources: Mapping[str, Any], tmp_path: Path
) -> None:
    document = narrow_document(
        httpx2.get(f"{cluster.url}/openapi.json").json(),
        model=MODEL,
        image_id=resources["image_id"],
        image_base64=SMALL_PNG_BASE64,
    )
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
            *("--url", cluster.url, "--header", f"Authorization: Bearer {resources['key']}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--continue-on-failure"),
            *("--request-timeout", "40", "--no-color"),
        ],
        cwd=tmp_path,
        env=environment_without_coverage()
        | {
            "SCHEMATHESIS_HOOKS": "servers.schemathesis_hooks",
            "RESOURCES": json.dumps(resources),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    tested = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", run.stdout)
    assert tested is not None
    assert tested[1] == tested[2] == tested[3]
    links = re.search(r"API Links: +(\d+) covered", run.stdout)
    assert links is not None
    assert int(links[1]) > 10
    assert "Traceback" not in cluster.read_log("api")
