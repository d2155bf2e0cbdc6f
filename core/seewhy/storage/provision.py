"""Provision the store: create the bucket, set its CORS and lifecycle rules."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from seewhy.errors import StoreUnavailable
from seewhy.settings import Settings
from seewhy.storage.error_messages import error_message
from seewhy.storage.keys import (
    AGREEMENTS_FOLDER,
    EVENTS_FOLDER,
    IMAGES_FOLDER,
    JOBS_FOLDER,
    PUSHES_FOLDER,
    RESULTS_FOLDER,
)
from seewhy.storage.obstore_adapter import open_store, path_of_file_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CORSRuleOutputTypeDef,
        CORSRuleTypeDef,
        LifecycleRuleOutputTypeDef,
        LifecycleRuleTypeDef,
    )

_RULE_PREFIX = "seewhy-"
_CORS: "CORSRuleTypeDef" = {
    "ID": f"{_RULE_PREFIX}read",
    "AllowedOrigins": ["*"],
    "AllowedMethods": ["GET", "HEAD"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 3600,
}


def provision(settings: Settings) -> list[str]:
    """Create and configure what is missing. Returns one report line per step.

    The bucket gets a CORS rule, so that labeling tools can read presigned URLs, and lifecycle
    rules for the retention. Rules of others stay. For a `file://` URL the directory is created.
    Raises `StoreUnavailable`, and `SettingsError` as `open_store` does.
    """
    if settings.store_url.startswith("file://"):
        directory = path_of_file_url(settings.store_url)
        existed = directory.is_dir()
        open_store(settings).check()
        return [f"directory {directory}: {'present' if existed else 'created'}"]
    name = settings.store_url.removeprefix("s3://")
    days = expiry_days(settings)
    with _translate_errors():
        client = _client(settings)
        return [
            f"bucket {name}: {_create_bucket(client, name, settings)}",
            f"CORS (GET and HEAD from any origin): {_set_cors(client, name)}",
            f"lifecycle (results {days[RESULTS_FOLDER]} d, images {days[IMAGES_FOLDER]} d): "
            + _set_lifecycle(client, name, days),
        ]


def expiry_days(settings: Settings) -> dict[str, int]:
    """Return after how many days the objects of each folder expire, counted from the last write.

    Results and agreements last for the retention plus the cache lifetime. The others last twice
    the retention, because a job may wait before its retention begins.
    """
    days = ceil(settings.retention_s / 86_400)
    results = ceil((settings.retention_s + settings.effective_cache_ttl_s) / 86_400)
    return {
        IMAGES_FOLDER: 2 * days,
        JOBS_FOLDER: 2 * days,
        PUSHES_FOLDER: 2 * days,
        EVENTS_FOLDER: 2 * days,
        AGREEMENTS_FOLDER: results,
        RESULTS_FOLDER: results,
    }


def _client(settings: Settings) -> "S3Client":
    import boto3  # noqa: PLC0415  (takes 0.4 s, and only this function needs it)
    from botocore.config import Config  # noqa: PLC0415

    secret = settings.s3_secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        ),
    )


def _create_bucket(client: "S3Client", name: str, settings: Settings) -> str:
    try:
        # A failed listing reports why; a failed HEAD does not.
        client.list_objects_v2(Bucket=name, MaxKeys=1)
    except ClientError as error:
        if _error_code(error) != "NoSuchBucket":
            raise
    else:
        return "present"
    location: dict[str, Any] = {}
    if settings.s3_region != "us-east-1":  # S3 refuses this region as a constraint
        location = {"CreateBucketConfiguration": {"LocationConstraint": settings.s3_region}}
    try:
        client.create_bucket(Bucket=name, **location)
    except ClientError as error:
        if _error_code(error) != "BucketAlreadyOwnedByYou":
            raise
        return "present"
    return "created"


def _set_cors(client: "S3Client", name: str) -> str:
    try:
        present = _get_cors(client, name)
        if _CORS in present:
            return "present"
        kept = [rule for rule in present if not rule.get("ID", "").startswith(_RULE_PREFIX)]
        client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [*kept, _CORS]})
    except ClientError as error:
        if _error_code(error) != "NotImplemented":
            raise
        return "not supported by this server; configure CORS on the server itself"
    return "set"


def _get_cors(client: "S3Client", name: str) -> "list[CORSRuleOutputTypeDef]":
    try:
        return client.get_bucket_cors(Bucket=name)["CORSRules"]
    except ClientError as error:
        if _error_code(error) != "NoSuchCORSConfiguration":
            raise
        return []


def _set_lifecycle(client: "S3Client", name: str, days: Mapping[str, int]) -> str:
    # One rule for both, because MinIO refuses a rule that only aborts uploads.
    wanted: list[LifecycleRuleTypeDef] = [
        {
            "ID": f"{_RULE_PREFIX}{folder}",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{folder}/"},
            "Expiration": {"Days": folder_days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        for folder, folder_days in days.items()
    ]
    present = _get_lifecycle(client, name)
    kept = [rule for rule in present if not rule.get("ID", "").startswith(_RULE_PREFIX)]
    rules: list[LifecycleRuleTypeDef | LifecycleRuleOutputTypeDef] = [*kept, *wanted]
    if len(present) == len(rules) and all(rule in present for rule in rules):
        return "present"
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    return "set"


def _get_lifecycle(client: "S3Client", name: str) -> "list[LifecycleRuleOutputTypeDef]":
    try:
        return client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    except ClientError as error:
        if _error_code(error) != "NoSuchLifecycleConfiguration":
            raise
        return []


def _error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise StoreUnavailable(error_message(_error_code(error), str(error))) from error
    except BotoCoreError as error:
        raise StoreUnavailable(error_message(None, str(error))) from error
