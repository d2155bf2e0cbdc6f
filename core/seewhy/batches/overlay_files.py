"""The overlays of a batch as files of an archive."""

import re
from collections.abc import Iterable, Iterator

from seewhy.batches.results import ItemResult
from seewhy.errors import ObjectNotFound
from seewhy.schemas.result import Result
from seewhy.storage.port import ObjectStore

MAX_NAME_CHARACTERS = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def overlay_files(items: Iterable[ItemResult], store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each overlay that a worker has stored.

    A name starts with the index of the item, so names differ, and no name has a folder.
    """
    for item in items:
        if item.record is None or item.record.result is None:
            continue
        key = Result.model_validate_json(item.record.result).objects.get("overlay")
        if key is None:
            continue
        try:
            body = store.get(key)
        except ObjectNotFound:  # past its retention
            continue
        name = _UNSAFE.sub("_", item.key or item.record.job_id)[:MAX_NAME_CHARACTERS]
        yield f"{item.index:05}-{name}.jpg", body
