"""The code samples of the document run against a real server."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from http_api import fail_next_job
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.embedded.tcp_ports import free_port
from seewhy.schemas.agreement import MeasuredAgreement
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from seewhy.webhook_secrets import generate_secret
from seewhy_api.app import create_api
from seewhy_api.label_studio.agreement_inputs import AnnotationReference
from seewhy_api.label_studio.agreements import AgreementStore
from seewhy_api.openapi.code_samples import code_samples
from seewhy_api.openapi.document import described_routes
from seewhy_api.openapi.examples import AGREEMENT, SMALL_PNG_BASE64
from servers.process_cluster import MODEL, start_cluster
from servers.s3 import S3Server
from servers.valkey import RedisServer
from servers.waiting import wait_until
from zip_archives import archive_of

MODULES = 'import { readFileSync, writeFileSync } from "node:fs";\n'
ANNOTATION = AnnotationReference(
    project=AGREEMENT["project"],
    project_created_s=0,
    task=AGREEMENT["task"],
    annotation=AGREEMENT["annotation"],
    inputs="",
)
NAMES = (
    "const { URL: url, KEY: key, ID: id, KEY_ID: keyId, BATCH_ID: batchId, FAILED_ID: failedId } ="
    " process.env;\n"
)
UNSERVED_MODEL = "vgg16"
"""No worker takes its jobs, so a test can fail them."""


def sample_names() -> list[str]:
    """Name each sample by its operation and, except for the first of one, by what it sends."""
    with tempfile.TemporaryDirectory() as folder:
        api = create_api(load({}, store_url=f"file://{folder}"))
    return [
        name_of(route.operation.id, sample)
        for route in described_routes(api.flask)
        for sample in code_samples(route.operation, method="POST", path="/", is_public=False)
        if sample["lang"] == "Shell"
    ]


def name_of(operation_id: str, sample: Mapping[str, str]) -> str:
    return f"{operation_id} {sample.get('label', '')}".rstrip()


@pytest.fixture(scope="module")
def service(
    valkey: RedisServer, s3: S3Server, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The variables of the samples, for an API that requires keys and a worker with the stub."""
    s3.client().create_bucket(Bucket="photos")
    s3.client().put_object(
        Bucket="photos", Key="2026/cat.jpg", Body=(photos / "cat.jpg").read_bytes()
    )
    with valkey.client() as client:
        client.flushdb()
    directory = tmp_path_factory.mktemp("samples")
    settings = load(
        {},
        redis_url=valkey.url,
        **s3.settings("a-store") | {"store_url": f"file://{directory}/objects"},
        image_buckets="photos",
        default_model=MODEL,
        api_port=free_port(),
        auth="keys",
        webhook_secrets=generate_secret(),
    )
    store = KeyStore(open_store(settings))
    key, leaked = (store.create(tenant="a", scopes=Scope)[0] for _ in range(2))
    with start_cluster(settings, directory) as cluster:
        cluster.start_api()
        cluster.start_stub_worker()
        yield {
            "URL": cluster.url,
            "KEY": key.text,
            "KEY_ID": leaked.key_id,
            "STORE_URL": settings.store_url,
            "REDIS_URL": settings.redis_url,
        }


@pytest.fixture(scope="module")
def samples(service: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Name of a sample → language → code, as the server documents them."""
    document = httpx2.get(f"{service['URL']}/openapi.json").json()
    found: dict[str, dict[str, str]] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for sample in operation["x-codeSamples"]:
                name = name_of(operation["operationId"], sample)
                found.setdefault(name, {})[sample["lang"]] = sample["source"]
    return found


@pytest.fixture(scope="module")
def batch_id(service: Mapping[str, str]) -> str:
    """The id of a batch that has ended; one of its items expired, so it can be retried."""
    headers = {"Authorization": f"Bearer {service['KEY']}", "Content-Type": "application/x-ndjson"}
    image = {"image_base64": SMALL_PNG_BASE64}
    items = [image, {**image, "cache": False, "deadline_s": 0.001}]
    batches = f"{service['URL']}/v1/batches"
    content = "\n".join(json.dumps(item) for item in items)
    # The module's fixture: a busy disk must not fail all its tests.
    submitted = httpx2.post(batches, headers=headers, content=content, timeout=60)
    assert submitted.status_code == 202, submitted.text
    found = str(submitted.json()["id"])
    wait_until(
        lambda: httpx2.get(f"{batches}/{found}", headers=headers).json()["status"] == "finished",
        what="the batch has ended",
    )
    counts = httpx2.get(f"{batches}/{found}", headers=headers).json()["counts"]
    assert counts["expired"] == 1, counts
    return found


@pytest.fixture
def failed_id(service: Mapping[str, str]) -> str:
    """The id of a failed job that nobody has retried or dismissed."""
    submitted = httpx2.post(
        f"{service['URL']}/v1/explanations",
        headers={"Authorization": f"Bearer {service['KEY']}"},
        json={"image_base64": SMALL_PNG_BASE64, "model": UNSERVED_MODEL, "cache": False},
        timeout=60,
    )
    assert submitted.status_code == 202, submitted.text
    settings = load({}, redis_url=service["REDIS_URL"])
    job_id = str(submitted.json()["id"])
    while fail_next_job(settings, model=UNSERVED_MODEL) != job_id:
        pass  # a job that another sample has retried was before it
    return job_id


@pytest.fixture
def variables(
    service: Mapping[str, str],
    tmp_path: Path,
    photos: Path,
    cat: bytes,
    batch_id: str,
    failed_id: str,
) -> Mapping[str, str]:
    """The environment of a sample: what it names, with a finished job, and its files."""
    shutil.copy(photos / "cat.jpg", tmp_path / "photo.jpg")
    (tmp_path / "photos.zip").write_bytes(archive_of([("cat.jpg", cat)]))
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nmax-time = 60\n")
    headers = {"Authorization": f"Bearer {service['KEY']}"}
    response = httpx2.post(
        f"{service['URL']}/v1/explanations?wait=30",
        headers=headers,
        files={"image": (tmp_path / "photo.jpg").read_bytes()},
        data={
            "request": json.dumps(
                {
                    "webhook": "https://hooks.test/x",
                    "targets": ["tiger cat", 285],
                    "metadata": ANNOTATION.metadata,
                }
            )
        },
        timeout=40,
    )
    assert response.status_code == 200, response.text
    named = {"ID": response.json()["id"], "BATCH_ID": batch_id, "FAILED_ID": failed_id}
    measured = MeasuredAgreement.model_validate(AGREEMENT | {"explanation": named["ID"]})
    store = open_store(load({}, store_url=service["STORE_URL"]))
    AgreementStore(store).put(measured, project=ANNOTATION.project_key, updated_ms=0, tenant="a")
    return os.environ | service | named | {"CURL_HOME": str(tmp_path)}


def run(command: list[str], variables: Mapping[str, str], folder: Path) -> str:
    """Run a sample and return what it printed or, if nothing, that it saved a file."""
    before = set(folder.iterdir())
    ended = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    saved = set(folder.iterdir()) - before
    assert all(file.stat().st_size > 0 for file in saved)
    return ended.stdout or " ".join(file.name for file in saved)


@pytest.mark.parametrize("name", sample_names())
def test_the_curl_sample_of_an_operation_runs(
    samples: dict[str, dict[str, str]],
    variables: Mapping[str, str],
    tmp_path: Path,
    name: str,
) -> None:
    command = ["bash", "-euo", "pipefail", "-c", samples[name]["Shell"]]
    assert run(command, variables, tmp_path)


@pytest.mark.parametrize("name", sample_names())
def test_the_javascript_sample_of_an_operation_runs(
    samples: dict[str, dict[str, str]],
    variables: Mapping[str, str],
    tmp_path: Path,
    node: str,
    name: str,
) -> None:
    script = tmp_path / "sample.mjs"
    script.write_text(MODULES + NAMES + samples[name]["JavaScript"])
    assert run([node, str(script)], variables, tmp_path)


def test_the_curl_lines_of_the_readme_run(variables: Mapping[str, str], tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    lines = re.findall(r"^\$ (curl .*)$", readme, re.MULTILINE)
    assert len(lines) == 3
    with (tmp_path / ".curlrc").open("a") as options:  # the lines are for a service without keys
        options.write(f'header = "Authorization: Bearer {variables["KEY"]}"\n')
    for line in lines:
        address = variables["URL"].removeprefix("http://")
        command = line.replace("localhost:8000", address)
        assert command != line
        assert run(["bash", "-euo", "pipefail", "-c", command], variables, tmp_path)


def test_a_sample_that_fails_is_noticed(
    samples: dict[str, dict[str, str]], variables: Mapping[str, str], tmp_path: Path
) -> None:
    command = ["bash", "-euo", "pipefail", "-c", samples["get_explanation"]["Shell"]]
    with pytest.raises(AssertionError, match="unknown_explanation"):
        run(command, {**variables, "ID": "0"}, tmp_path)
