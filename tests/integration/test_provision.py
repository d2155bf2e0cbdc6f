"""Provisioning a bucket, on a real S3 server; and the checks of the test server itself."""

import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batch_installation import Installation
from seewhy.errors import StoreUnavailable
from seewhy.jobs.archiver import archive_batches, archive_outcomes
from seewhy.jobs.batch_documents import BatchDocuments
from seewhy.settings import Settings, load
from seewhy.storage.keys import outcome_key
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.provision import expiry_days, provision
from servers.s3 import S3Server


def settings_of(server: S3Server, name: str, **changes: Any) -> Settings:
    return load(environment={}, **(server.settings(name) | changes))


def new_name() -> str:
    return f"test-{uuid.uuid4().hex}"


def test_a_missing_bucket_is_created_and_a_second_run_changes_nothing(s3: S3Server) -> None:
    name = new_name()
    settings = settings_of(s3, name, retention_s=7 * 86_400 + 1)
    assert provision(settings) == [
        f"bucket {name}: created",
        "CORS (GET and HEAD from any origin): set",
        "lifecycle (results 9 d, images 16 d): set",
    ]
    open_store(settings).check()
    assert [line.rpartition(": ")[2] for line in provision(settings)] == ["present"] * 3


def test_all_folders_of_the_service_expire(s3: S3Server) -> None:
    name = new_name()
    provision(settings_of(s3, name, retention_s=60))
    rules = s3.client().get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert {
        (rule["Filter"]["Prefix"], rule["Expiration"]["Days"], rule["Status"]) for rule in rules
    } == {
        ("images/", 2, "Enabled"),
        ("jobs/", 2, "Enabled"),
        ("label-studio-agreements/", 1, "Enabled"),
        ("label-studio-events/", 2, "Enabled"),
        ("label-studio-pushes/", 2, "Enabled"),
        ("results/", 1, "Enabled"),
    }
    assert {rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules} == {1}


def test_the_lifecycle_rules_cover_every_object_of_a_batch() -> None:
    installation = Installation()
    batch_id = installation.submit(1)
    BatchDocuments(installation.store).write_cancellation(batch_id)
    installation.process().acceptor.accept_batches()
    installation.fail_next(1)
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=1)
    archive_batches(batches=installation.ledger.batches, store=installation.store, limit=1)
    folders = tuple(f"{folder}/" for folder in expiry_days(load({})))
    keys = list(installation.store.list_keys("jobs/")) + list(
        installation.store.list_keys("images/")
    )
    assert outcome_key(batch_id) in keys
    assert len(keys) == 6
    assert all(key.startswith(folders) for key in keys)


def test_a_new_retention_replaces_only_the_rules_of_seewhy(
    s3: S3Server,
) -> None:
    name, client = s3.new_bucket(), s3.client()
    foreign_expiry = {
        "ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 3}
    }  # fmt: skip
    foreign_cors = {"ID": "theirs", "AllowedOrigins": ["https://a"], "AllowedMethods": ["PUT"]}
    client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [foreign_expiry]}
    )
    client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [foreign_cors]})

    provision(settings_of(s3, name))
    lines = provision(settings_of(s3, name, retention_s=30 * 86_400))

    assert lines[1:] == [
        "CORS (GET and HEAD from any origin): present",
        "lifecycle (results 31 d, images 60 d): set",
    ]
    rules = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert sorted((rule["ID"], rule["Expiration"]["Days"]) for rule in rules) == [
        ("seewhy-images", 60), ("seewhy-jobs", 60), ("seewhy-label-studio-agreements", 31),
        ("seewhy-label-studio-events", 60), ("seewhy-label-studio-pushes", 60),
        ("seewhy-results", 31), ("theirs", 3),
    ]  # fmt: skip
    cors = client.get_bucket_cors(Bucket=name)["CORSRules"]
    assert [rule["ID"] for rule in cors] == ["theirs", "seewhy-read"]


def test_a_browser_on_another_origin_can_read_a_presigned_url(s3: S3Server) -> None:
    settings = settings_of(s3, s3.new_bucket())
    store = open_store(settings)
    store.put("images/1", b"an image", content_type="image/jpeg")
    url = store.presigned_url("images/1", expires_s=60) or ""
    preflight = {"Origin": "https://labels.example", "Access-Control-Request-Method": "GET"}
    assert "Access-Control-Allow-Origin" not in httpx2.options(url, headers=preflight).headers
    provision(settings)
    response = httpx2.options(url, headers=preflight)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] in {"*", "https://labels.example"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s3_secret_access_key": "wrong"}, "Check SEEWHY_S3_ACCESS_KEY_ID"),
        ({"s3_region": "eu-west-1"}, "Check SEEWHY_S3_REGION"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "Could not connect to the endpoint"),
    ],
)
def test_an_error_message_names_what_to_check(
    s3: S3Server, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(StoreUnavailable, match=message):
        provision(settings_of(s3, new_name(), **changes))


def test_a_local_directory_is_created_once(tmp_path: Path) -> None:
    settings = load(environment={}, store_url=f"file://{tmp_path}/objects")
    assert provision(settings) == [f"directory {tmp_path}/objects: created"]
    assert provision(settings) == [f"directory {tmp_path}/objects: present"]


def test_the_test_server_refuses_a_body_that_differs_from_the_signed_one(s3: S3Server) -> None:
    client, name = s3.client(), s3.new_bucket()
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: setattr(request, "body", b"forged!")
    )
    with pytest.raises(client.exceptions.ClientError, match="XAmzContentSHA256Mismatch"):
        client.put_object(Bucket=name, Key="images/1", Body=b"genuine", ChecksumAlgorithm="SHA256")


def test_the_test_server_refuses_unsigned_requests(s3: S3Server) -> None:
    for method, path in (("GET", "/"), ("PUT", "/a-bucket"), ("POST", "/moto-api/reset")):
        assert httpx2.request(method, s3.endpoint + path).status_code == 403
