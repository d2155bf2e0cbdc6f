"""Making the store ready: the bucket, who may read it from a browser, when objects expire."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from seewhy.errors import StoreUnavailable
from seewhy.settings import Settings
from seewhy.storage.error_messages import error_message
from seewhy.storage.obstore_adapter import directory_of, open_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CORSRuleOutputTypeDef,
        CORSRuleTypeDef,
        LifecycleRuleOutputTypeDef,
        LifecycleRuleTypeDef,
    )

_OURS = "seewhy-"
_CORS: "CORSRuleTypeDef" = {
    "ID": f"{_OURS}read",
    "AllowedOrigins": ["*"],
    "AllowedMethods": ["GET", "HEAD"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 3600,
}


def provision(settings: Settings) -> list[str]:
    """Create what is absent, leave what is right, and return a line on each.

    The bucket of `store_url` gets CORS rules, for labelling tools that draw from presigned
    links, and lifecycle rules for the retention; rules that are not ours stay. A `file://`
    directory is created. Raises `StoreUnavailable`, or `SettingsError` as `open_store` does.
    """
    if settings.store_url.startswith("file://"):
        directory = directory_of(settings.store_url)
        present = directory.is_dir()
        open_store(settings).check()
        return [f"directory {directory}: {'present' if present else 'created'}"]
    name = settings.store_url.removeprefix("s3://")
    days = days_kept(settings)
    with _translated():
        client = _client(settings)
        return [
            f"bucket {name}: {_create(client, name, settings)}",
            f"CORS, GET and HEAD from any origin: {_allow_reading(client, name)}",
            f"lifecycle, results {days['results']} d, pictures {days['images']} d: "
            + _expire(client, name, days),
        ]


def days_kept(settings: Settings) -> dict[str, int]:
    """Return for how many days each folder keeps an object after it was last written.

    A result is kept for as long as it may answer others, in addition to the retention. A picture
    is written again by each job that uses it, and has to outlast the job's wait as well.
    """
    days = ceil(settings.retention_s / 86_400)
    results = ceil((settings.retention_s + settings.effective_cache_ttl_s) / 86_400)
    return {"images": 2 * days, "jobs": 2 * days, "results": results}


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


def _create(client: "S3Client", name: str, settings: Settings) -> str:
    try:
        # Unlike HEAD, a listing that fails says why.
        client.list_objects_v2(Bucket=name, MaxKeys=1)
    except ClientError as error:
        if _code(error) != "NoSuchBucket":
            raise
    else:
        return "present"
    place: dict[str, Any] = {}
    if settings.s3_region != "us-east-1":  # the one region that S3 refuses to be told
        place = {"CreateBucketConfiguration": {"LocationConstraint": settings.s3_region}}
    try:
        client.create_bucket(Bucket=name, **place)
    except ClientError as error:
        if _code(error) != "BucketAlreadyOwnedByYou":
            raise
        return "present"
    return "created"


def _allow_reading(client: "S3Client", name: str) -> str:
    try:
        present = _present_cors(client, name)
        if _CORS in present:
            return "present"
        kept = [rule for rule in present if not rule.get("ID", "").startswith(_OURS)]
        client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [*kept, _CORS]})
    except ClientError as error:
        if _code(error) != "NotImplemented":
            raise
        return "left to the server's own settings, which is how MinIO has it"
    return "set"


def _present_cors(client: "S3Client", name: str) -> "list[CORSRuleOutputTypeDef]":
    try:
        return client.get_bucket_cors(Bucket=name)["CORSRules"]
    except ClientError as error:
        if _code(error) != "NoSuchCORSConfiguration":
            raise
        return []


def _expire(client: "S3Client", name: str, days: Mapping[str, int]) -> str:
    # One rule does both: MinIO refuses a rule that only aborts uploads.
    wanted: list[LifecycleRuleTypeDef] = [
        {
            "ID": f"{_OURS}{folder}",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{folder}/"},
            "Expiration": {"Days": kept_days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        for folder, kept_days in days.items()
    ]
    present = _present_lifecycle(client, name)
    kept = [rule for rule in present if not rule.get("ID", "").startswith(_OURS)]
    rules: list[LifecycleRuleTypeDef | LifecycleRuleOutputTypeDef] = [*kept, *wanted]
    if len(present) == len(rules) and all(rule in present for rule in rules):
        return "present"
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    return "set"


def _present_lifecycle(client: "S3Client", name: str) -> "list[LifecycleRuleOutputTypeDef]":
    try:
        return client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    except ClientError as error:
        if _code(error) != "NoSuchLifecycleConfiguration":
            raise
        return []


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise StoreUnavailable(error_message(_code(error), str(error))) from error
    except BotoCoreError as error:
        raise StoreUnavailable(error_message(None, str(error))) from error
