"""Object keys: how each is written and parsed.

```
images/<tenant digest>/<sha256>             an image that the tenant has sent
jobs/<year>/<month>/<day>/<hour>/<job id>.json        a job's manifest
jobs/<year>/<month>/<day>/<hour>/<job id>.final.json  a job's outcome
jobs/<year>/<month>/<day>/<hour>/<batch id>.batch.json      a batch's manifest
jobs/<year>/<month>/<day>/<hour>/<batch id>.items-<n>.json  a chunk of its items
jobs/<year>/<month>/<day>/<hour>/<batch id>.cancel.json     that it was cancelled
jobs/<year>/<month>/<day>/<hour>/<batch id>.final.json      its outcome
results/<job id>/<fence>/<name>             what a worker wrote under one claim
ledger/epoch                                which ledger holds the jobs of this store
keys/<key id>.json                          the record of an API key
label-studio/<tenant digest>/<sha256>.json  what a project of Label Studio has set up
label-studio-pushes/<tenant digest>/<sha256>.json  what pushed predictions are made with
label-studio-events/<tenant digest>/<ms>-<sha256>.json  an event that waits
label-studio-agreements/…                   agreements, see `seewhy.storage.agreement_keys`
```

Writers check their arguments, so no key leaves its folder. Parsers return None for any key that
the matching writer does not produce.

The images of a tenant have a folder of their own: that a tenant has sent an image is the existence
of its object, which lasts, expires and survives a loss of Redis together with the image. The folder
is a digest because file systems may ignore case, and names may begin with a dot.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from seewhy.ids import job_time

IMAGES_FOLDER = "images"
JOBS_FOLDER = "jobs"
RESULTS_FOLDER = "results"

KEYS_FOLDER = "keys"
LABEL_STUDIO_FOLDER = "label-studio"
PUSHES_FOLDER = "label-studio-pushes"
EVENTS_FOLDER = "label-studio-events"
AGREEMENTS_FOLDER = "label-studio-agreements"
EPOCH_KEY = "ledger/epoch"
"""Like the API keys, outside the folders that expire."""

RESULT_DOCUMENT = "result.json"
"""The name of the object that a worker writes last, with the numbers of the result."""

_MANIFEST_SUFFIX = ".json"
_OUTCOME_SUFFIX = ".final.json"
_TENANT_DIGITS = 32
_BATCH_SUFFIX = ".batch.json"
_CANCELLATION_SUFFIX = ".cancel.json"
_CHUNK_NAME = re.compile(r"(?P<batch_id>[^.]+)\.items-(?P<number>[0-9]{1,6})\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_RESULT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")


class JobObject(StrEnum):
    """The objects in the `jobs` folder."""

    MANIFEST = "manifest"
    OUTCOME = "outcome"
    BATCH = "batch"
    CHUNK = "chunk"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class JobKey:
    """A parsed key of an object in the `jobs` folder."""

    job_id: str
    """The id of the job or, of the last three kinds of objects, of the batch."""
    kind: JobObject
    chunk: int | None = None
    """The number of a chunk, counted from 0."""


@dataclass(frozen=True, slots=True)
class ResultKey:
    """A parsed key of one result object."""

    job_id: str
    fence: int
    name: str


def image_key(image_id: str, *, tenant: str) -> str:
    """Return the key of an image that a tenant has sent. Raises `ValueError` for another id."""
    if not is_image_id(image_id):
        raise ValueError(f"Not the id of an image: {image_id!r}")
    return f"{IMAGES_FOLDER}/{tenant_digest(tenant)}/{image_id}"


def tenant_digest(tenant: str) -> str:
    """Return the name of the folders of a tenant."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:_TENANT_DIGITS]


def label_studio_project_key(project: str, *, tenant: str) -> str:
    """Return the key of the options of a project, which may have any name."""
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{LABEL_STUDIO_FOLDER}/{tenant_digest(tenant)}/{digest}.json"


def push_settings_key(digest: str, *, tenant: str) -> str:
    """Return the key of the settings of pushes. Raises `ValueError` when `digest` is no SHA-256."""
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"Not a SHA-256: {digest!r}")
    return f"{PUSHES_FOLDER}/{tenant_digest(tenant)}/{digest}.json"


def event_key(body: bytes, *, received_ms: int, tenant: str) -> str:
    """Return the key of an event that waits to be handled."""
    digest = hashlib.sha256(body).hexdigest()
    return f"{event_folder(tenant)}{received_ms}-{digest}.json"


def event_folder(tenant: str) -> str:
    """Return the folder, with `/`, of the events of a tenant that wait."""
    return f"{EVENTS_FOLDER}/{tenant_digest(tenant)}/"


def received_ms_of(key: str) -> int:
    """Return when the event under a key made by `event_key` came, in ms since 1970.

    Raises `ValueError` for another key.
    """
    return int(key.rpartition("/")[2].partition("-")[0])


def image_id_of(key: str) -> str:
    """Return the id of the image under a key made by `image_key`."""
    return key.rpartition("/")[2]


def is_image_id(text: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hex digits, which identifies an image."""
    return _SHA256.fullmatch(text) is not None


def manifest_key(job_id: str) -> str:
    """Return the key of a job's manifest. Raises `ValueError` when `job_id` is not a job id."""
    return f"{hour_prefix(job_time(job_id))}{job_id}{_MANIFEST_SUFFIX}"


def outcome_key(job_id: str) -> str:
    """Return the key of a job's outcome. Raises `ValueError` when `job_id` is not a job id."""
    return f"{hour_prefix(job_time(job_id))}{job_id}{_OUTCOME_SUFFIX}"


def hour_prefix(hour: datetime) -> str:
    """Return the folder, with `/`, of the jobs whose ids were created in this hour (UTC)."""
    return f"{JOBS_FOLDER}/{hour:%Y/%m/%d/%H}/"


def batch_key(batch_id: str) -> str:
    """Return the key of a batch's manifest. Raises `ValueError` when `batch_id` is not an id."""
    return f"{hour_prefix(job_time(batch_id))}{batch_id}{_BATCH_SUFFIX}"


def cancellation_key(batch_id: str) -> str:
    """Return the key that says that a batch was cancelled. Raises `ValueError` as `batch_key`."""
    return f"{hour_prefix(job_time(batch_id))}{batch_id}{_CANCELLATION_SUFFIX}"


def chunk_key(batch_id: str, number: int) -> str:
    """Return the key of a chunk of a batch's items. Raises `ValueError` as `batch_key`."""
    return f"{hour_prefix(job_time(batch_id))}{batch_id}.items-{number}.json"


def parse_job_key(key: str) -> JobKey | None:
    """Parse a key of an object in the `jobs` folder."""
    name = key.rpartition("/")[2]
    job_id = name.partition(".")[0]
    try:
        if chunk := _CHUNK_NAME.fullmatch(name):
            parsed = JobKey(job_id, JobObject.CHUNK, int(chunk["number"]))
            return parsed if key == chunk_key(job_id, int(chunk["number"])) else None
        kind = next(kind for suffix, kind in _KINDS.items() if name.endswith(suffix))
        return JobKey(job_id, kind) if key == _KEY_MAKERS[kind](job_id) else None
    except (ValueError, StopIteration):
        return None


_KINDS = {
    _OUTCOME_SUFFIX: JobObject.OUTCOME,
    _BATCH_SUFFIX: JobObject.BATCH,
    _CANCELLATION_SUFFIX: JobObject.CANCELLATION,
    _MANIFEST_SUFFIX: JobObject.MANIFEST,
}
"""What the name of an object ends with; the last is the end of the others too."""
_KEY_MAKERS = {
    JobObject.MANIFEST: manifest_key,
    JobObject.OUTCOME: outcome_key,
    JobObject.BATCH: batch_key,
    JobObject.CANCELLATION: cancellation_key,
}


def result_key(job_id: str, fence: int, name: str) -> str:
    """Return the key of a result object, such as `map.npy`, written under a claim's fence.

    Raises `ValueError` when `job_id` is not a job id, the fence is negative or `name` is not a
    plain lower-case file name.
    """
    if fence < 0:
        raise ValueError(f"Not a fence: {fence}")
    if not _RESULT_NAME.fullmatch(name):
        raise ValueError(f"Not a result name: {name!r}")
    return f"{result_prefix(job_id)}{fence}/{name}"


def result_prefix(job_id: str) -> str:
    """Return the folder, with `/`, of a job's results. Raises `ValueError` as `result_key`."""
    job_time(job_id)
    return f"{RESULTS_FOLDER}/{job_id}/"


def parse_result_key(key: str) -> ResultKey | None:
    """Parse a key made by `result_key`."""
    *_, job_id, fence, name = ("", "", *key.split("/"))
    try:
        parsed = ResultKey(job_id, int(fence), name)
        return parsed if key == result_key(parsed.job_id, parsed.fence, parsed.name) else None
    except ValueError:
        return None


def key_record_key(key_id: str) -> str:
    """Return the key of an API key's record. Raises `ValueError` when `key_id` is not one."""
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError(f"Not the id of an API key: {key_id!r}")
    return f"{KEYS_FOLDER}/{key_id}.json"


def parse_key_record_key(key: str) -> str | None:
    """Return the id of the API key whose record is under a key made by `key_record_key`."""
    key_id = key.removeprefix(f"{KEYS_FOLDER}/").removesuffix(".json")
    try:
        return key_id if key == key_record_key(key_id) else None
    except ValueError:
        return None
