"""Every key in the object store. Ids are checked here, so that a key never leaves its folder."""

import re
from datetime import datetime

from seewhy.ids import job_time

EPOCH_KEY = "ledger/epoch"
"""Says that the jobs of this store are in a ledger somewhere. Outside the folders that expire."""

OUTCOME_SUFFIX = ".final.json"
"""How the key of an outcome ends; the other keys of its folder are manifests."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")


def image_key(sha256_hex: str) -> str:
    """Return the key of a picture; `ValueError` unless 64 lower-case hexadecimal digits."""
    if not _SHA256.fullmatch(sha256_hex):
        raise ValueError(f"not a SHA-256: {sha256_hex!r}")
    return f"images/{sha256_hex}"


def manifest_key(job_id: str) -> str:
    """Return the key of a job's manifest, under the hour (UTC) in which its id was made.

    Raises `ValueError` when `job_id` is not one.
    """
    return f"{hour_prefix(job_time(job_id))}{job_id}.json"


def outcome_key(job_id: str) -> str:
    """Return the key of a job's outcome other than success, beside its manifest.

    Raises `ValueError` when `job_id` is not one.
    """
    return manifest_key(job_id).removesuffix(".json") + OUTCOME_SUFFIX


def hour_prefix(hour: datetime) -> str:
    """Return the folder of the manifests and outcomes of the jobs made in an hour (UTC)."""
    return f"jobs/{hour:%Y/%m/%d/%H}/"


def result_key(job_id: str, fence: int, name: str) -> str:
    """Return the key of one result, such as `map.npy`, written under the claim's number.

    Raises `ValueError` when `job_id` is not one, the fence is negative or the name is not a
    plain lower-case file name.
    """
    if fence < 0:
        raise ValueError(f"not a fence: {fence}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a result: {name!r}")
    return f"{result_prefix(job_id)}{fence}/{name}"


def result_prefix(job_id: str) -> str:
    """Return the folder of everything written for a job; `ValueError` when it is not one."""
    job_time(job_id)
    return f"results/{job_id}/"
