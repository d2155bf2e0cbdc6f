"""What clients send is in no log line: names of images, URLs, metadata and credentials."""

import io
import logging
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient

from batch_requests import item, submit_batch
from http_api import finish_next_job, submit_image
from label_studio_annotations import UPPER_LEFT, rectangle
from label_studio_requests import replay
from label_studio_rules import recording
from seewhy.errors import LedgerUnavailable
from seewhy.ids import new_job_id
from seewhy.logs.formatters import SafeFormatter
from seewhy.settings import Settings
from seewhy.webhook_secrets import generate_secret
from seewhy_api.app import Api, create_api
from seewhy_api.http.lookup import JobLookup
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import FakeLabelStudio
from servers.receivers import Receiver, answer, receiving
from servers.s3 import S3Server
from servers.waiting import wait_until

PREDICT, ANNOTATION = 12, 16
"""Recorded requests."""
PRIVATE = "this-must-not-be-logged"
REFUSAL = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

pytestmark = pytest.mark.usefixtures("label_studio_project")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that refuses webhooks, and has no image."""
    with receiving(answer(REFUSAL)) as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def settings_overrides(
    s3: S3Server, bucket: str, studio: FakeLabelStudio, receiver: Receiver, unused_port: int
) -> dict[str, Any]:
    access = s3.settings(bucket)
    del access["store_url"]
    return {
        "image_buckets": f"{bucket}, no-such-bucket",
        "image_url_hosts": f"127.0.0.1:{receiver.port}, 127.0.0.1:{unused_port}",
        "image_url_networks": "127.0.0.0/8",
        "webhook_secrets": generate_secret(),
        "webhook_allowed_networks": "127.0.0.0/8",
        **studio.settings,
        **access,
    }


@pytest.fixture
def references(bucket: str, receiver: Receiver, unused_port: int) -> list[str]:
    """References to images that cannot be read, each for another reason."""
    query = f"?X-Amz-Signature={PRIVATE}&name={PRIVATE}"
    return [
        f"s3://{bucket}/{PRIVATE}/a b.jpg",
        f"s3://no-such-bucket/{PRIVATE}.jpg",
        f"s3://{PRIVATE}/a.jpg",
        f"http://127.0.0.1:{receiver.port}/{PRIVATE}.jpg{query}",
        f"http://127.0.0.1:{unused_port}/{PRIVATE}.jpg{query}",
        f"http://{PRIVATE}.test/{PRIVATE}.jpg",
        f"/data/upload/4/{PRIVATE}.jpg",
    ]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The lines that a process must have written, from the level INFO on, once the test ends."""
    caplog.set_level(logging.INFO)
    written, lines = io.StringIO(), list[str]()
    handler = logging.StreamHandler(written)
    handler.setFormatter(SafeFormatter())
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)
    assert PRIVATE not in written.getvalue()
    assert [line for line in lines if line not in written.getvalue()] == []


def test_of_images_and_their_references(
    api: Api,
    client: FlaskClient,
    bucket: str,
    references: list[str],
    cat: bytes,
    logged: list[str],
) -> None:
    for url in references:
        refused = client.post("/v1/explanations", json={"image_url": url, "metadata": {"a": url}})
        assert refused.status_code == 422
    submit_image(client, b"no image", name=f"{PRIVATE}.jpg", metadata={"a": PRIVATE})
    named = [{"image_url": url, "key": f"{PRIVATE} {url}"} for url in references]
    assert submit_batch(client, [item(cat, key=PRIVATE), *named]).status_code == 202
    for prefix in (f"s3://{bucket}/{PRIVATE}/", f"s3://no-such-bucket/{PRIVATE}/"):
        assert client.post("/v1/batches", json={"image_prefix": prefix}).status_code == 202
    api.acceptor.accept_batches()
    logged += [
        f"No image from the bucket {bucket}: NoSuchKey",
        "No image from the bucket no-such-bucket: NoSuchBucket",
        "Cannot list the bucket no-such-bucket: NoSuchBucket",
        "No image from http://127.0.0.1:",
    ]


def test_of_a_bucket_that_does_not_answer(
    settings: Settings, bucket: str, unused_port: int, logged: list[str]
) -> None:
    dead = settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{unused_port}"})
    client = create_api(dead).flask.test_client()
    url = f"s3://{bucket}/{PRIVATE}.jpg"
    assert client.post("/v1/explanations", json={"image_url": url}).status_code == 503
    logged += [f"Answering 503: the bucket {bucket}: no answer"]


def test_of_tasks_and_annotations(
    client: FlaskClient,
    references: list[str],
    logged: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    replay(client, 3, access_token=PRIVATE, extra_params=f'{{"{PRIVATE}": "{PRIVATE}"}}')
    replay(client, 3, access_token=PRIVATE, hostname=f"http://{PRIVATE}.test")
    images = [*references, ""]
    tasks = [{"id": n, "data": {"image": image}} for n, image in enumerate(images, start=1)]
    assert replay(client, PREDICT, tasks=tasks).status_code == 200
    replay(client, PREDICT, tasks=tasks, label_config=f"<{PRIVATE}>")
    recorded = recording(ANNOTATION)["body"]
    annotation = {**recorded["annotation"], "result": [rectangle(UPPER_LEFT)]}
    for task in tasks:
        replay(client, ANNOTATION, annotation=annotation, task={**recorded["task"], **task})
    expected = ("Cannot handle an annotation yet: ", "Cannot explain what was annotated: ")
    wait_until(lambda: all(line in caplog.text for line in expected), what="events are handled")
    logged += [f"Cannot predict for task {task['id']}: " for task in tasks]


def test_of_webhooks_and_credentials(
    client: FlaskClient, settings: Settings, receiver: Receiver, cat: bytes, logged: list[str]
) -> None:
    webhook = f"http://127.0.0.1:{receiver.port}/{PRIVATE}?X-Amz-Signature={PRIVATE}"
    fields = {"webhook": webhook, "metadata": {PRIVATE: PRIVATE}}
    headers = {"Idempotency-Key": PRIVATE, "Authorization": f"Bearer {PRIVATE}"}
    assert submit_image(client, cat, name=PRIVATE, headers=headers, **fields).status_code == 202
    finish_next_job(settings)
    assert create_dispatcher(settings).dispatcher.deliver() == 1
    assert receiver.heads
    for path in (f"/{PRIVATE}", f"/v1/explanations/{PRIVATE}?key={PRIVATE}"):
        assert client.get(path, headers=headers).status_code == 404
    evil = {"Host": f"{PRIVATE}.test", "Origin": f"https://{PRIVATE}.test"}
    assert client.post("/v1/explanations", headers=evil).status_code == 403


def test_of_what_is_in_the_place_of_an_id(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise LedgerUnavailable("Redis is down")

    monkeypatch.setattr(JobLookup, "_missing", fail)
    for kind in ("explanations", "batches"):
        job_id = new_job_id()
        for named in (job_id, f"{PRIVATE}.jpg"):
            assert client.get(f"/v1/{kind}/{named}").status_code == 503
        logged += [f"_id={job_id}]"]
