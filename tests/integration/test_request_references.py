"""References that come with a request: images of the tenant, which stay while their jobs do."""

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from batch_requests import item, submit_batch
from http_api import assert_problem, submit_image
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.errors import ExplanationGone
from seewhy.imaging import codecs
from seewhy.jobs.dead_letters import DeadLetters
from seewhy.jobs.image_keys import image_keys_of
from seewhy.jobs.submission import JobSubmitter
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import JobFailure, lanes_of
from seewhy.schemas.job import Job
from seewhy.schemas.reference import StoredReference
from seewhy.settings import Settings
from seewhy.storage.keys import image_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.openapi.examples import SMALL_PNG_BASE64

OWNER, STRANGER = {"X-Tenant": "a"}, {"X-Tenant": "b"}
ENTRY = """
[faces]
source = "faces.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
scores = "embedding"
references.anna = {{ file = "anna.jpg", sha256 = "{digest}" }}
"""


@pytest.fixture
def settings_overrides(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "models.toml").write_text(ENTRY.format(digest="a" * 64))
    return {
        "models_file": tmp_path / "models.toml",
        "tenant_header": "X-Tenant",
        "trusted_proxies": "127.0.0.0/8",
    }


def submitted_jobs(settings: Settings, count: int) -> list[Job]:
    claims = open_ledger(settings).claim(lanes_of("faces"), owner="test", limit=count)
    return [Job.model_validate_json(claim.job) for claim in claims]


def test_a_reference_of_the_request_is_an_image_that_the_tenant_has_sent(
    client: FlaskClient, settings: Settings, cat: bytes, photos: Path
) -> None:
    coffee = (photos / "coffee.jpg").read_bytes()
    other = client.post("/v1/images", data={"image": (io.BytesIO(coffee), "a.jpg")}, headers=OWNER)
    reference = {"image_id": other.get_json()["image_id"]}
    fields: dict[str, Any] = {"model": "faces", "reference": reference}
    assert submit_image(client, cat, headers=OWNER, **fields).status_code == 202
    assert submit_image(client, cat, headers=OWNER, model="faces").status_code == 202
    both = submitted_jobs(settings, 2)
    (job,) = [each for each in both if each.reference]
    key = image_key(reference["image_id"], tenant="a")
    size = codecs.read_header(coffee, max_bytes=10**7, max_pixels=10**8, max_side_px=10**5)
    assert job.reference == StoredReference(
        key=key, width_px=size.width_px, height_px=size.height_px
    )
    assert job.targets == (-1,)

    refused = submit_image(client, cat, headers=STRANGER, **fields)
    never_sent = fields | {"reference": {"image_id": "0" * 64}}
    unknown = submit_image(client, cat, headers=STRANGER, **never_sent)
    details = [assert_problem(each, 422, "unknown_image") for each in (refused, unknown)]
    assert details[0] == details[1]


def test_a_reference_stays_as_long_as_the_documents_of_its_jobs(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    client.post("/v1/images", data={"image": (io.BytesIO(cat), "a.jpg")}, headers=OWNER)
    store, image_id = open_store(settings), hashlib.sha256(cat).hexdigest()
    path = Path(settings.store_url.removeprefix("file://")) / image_key(image_id, tenant="a")
    inode = path.stat().st_ino
    other = base64.b64decode(SMALL_PNG_BASE64)
    reference = {"image_id": image_id}
    submit_image(client, other, headers=OWNER, model="faces", reference=reference)
    assert path.stat().st_ino != inode, "the reference was not written again"
    (manifest,) = store.list_keys("jobs/")
    assert image_key(image_id, tenant="a") in image_keys_of(store.get(manifest))


def test_items_of_a_batch_have_references_of_their_tenant(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    client.post("/v1/images", data={"image": (io.BytesIO(cat), "a.jpg")}, headers=OWNER)
    image_id = hashlib.sha256(cat).hexdigest()
    lines = [
        item(base64.b64decode(SMALL_PNG_BASE64), model="faces", reference={"image_id": each})
        for each in (image_id, "0" * 64)
    ]
    owned = submit_batch(client, lines, headers=OWNER).get_json()
    assert [(each["index"], each["code"]) for each in owned["refused"]] == [(1, "unknown_image")]
    strange = submit_batch(client, lines, headers=STRANGER).get_json()
    assert [each["detail"] for each in strange["refused"]] == [owned["refused"][0]["detail"]] * 2
    store, key = open_store(settings), image_key(image_id, tenant="a")
    chunks = [name for name in store.list_keys("jobs/") if ".items-" in name]
    assert [key in image_keys_of(store.get(name)) for name in chunks].count(True) == 1


def test_a_retry_of_a_failed_job_stores_its_reference_again(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    client.post("/v1/images", data={"image": (io.BytesIO(cat), "a.jpg")}, headers=OWNER)
    store, key = open_store(settings), image_key(hashlib.sha256(cat).hexdigest(), tenant="a")
    other, reference = base64.b64decode(SMALL_PNG_BASE64), {"image_id": key.rpartition("/")[2]}
    ledger, failed = open_ledger(settings), []
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=[]))
    submitter = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)
    dead_letters = DeadLetters(ledger=ledger, store=store, submitter=submitter)
    for _ in range(2):
        submit_image(client, other, headers=OWNER, model="faces", reference=reference, cache=False)
        (claim,) = ledger.claim(lanes_of("faces"), owner="test", limit=1)
        ledger.fail([JobFailure(claim, "explainer_failed", "It was a test.", retry_in_ms=None)])
        failed.append(claim.job_id)
    path = Path(settings.store_url.removeprefix("file://")) / key
    inode = path.stat().st_ino
    dead_letters.retry(failed[0])
    assert path.stat().st_ino != inode, "the reference was not written again"
    store.delete(key)
    with pytest.raises(ExplanationGone, match="Cannot retry"):
        dead_letters.retry(failed[1])
