"""Which annotations were deleted, so that an explanation that ends later stores no agreement."""

import json
import logging
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from seewhy.errors import ObjectNotFound
from seewhy.storage.agreement_keys import (
    deletion_list_name,
    deletion_lists_folder,
    deletion_name,
    may_list,
)
from seewhy.storage.port import ObjectStore

MAX_MARKERS = 10
"""Objects that one deletion writes. One of more annotations writes a list of them."""
MAX_LISTS = 100
"""Of one project: to know whether an annotation is in one of them, they may have to be read."""

_log = logging.getLogger(__name__)


class DeletedAnnotations:
    """The deletions in an object store. Thread-safe. Methods raise `StoreUnavailable`."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep deletions in `store`."""
        self._store = store

    def mark(self, annotations: Collection[int], folder: str) -> None:
        """Remember that annotations of the project in `folder` were deleted. May be repeated."""
        if len(annotations) > MAX_MARKERS:
            self._mark_as_list(sorted(annotations), folder)
            return
        for annotation in annotations:
            key = folder + deletion_name(annotation)
            self._store.put(key, b"{}", content_type="application/json")

    def _mark_as_list(self, annotations: list[int], folder: str) -> None:
        body = json.dumps(annotations).encode()
        lists = deletion_lists_folder(folder)
        key = lists + deletion_list_name(body, lowest=annotations[0], highest=annotations[-1])
        known = list(islice(self._store.list_keys(lists), MAX_LISTS))
        if key in known:
            return
        if len(known) == MAX_LISTS:
            _log.warning(
                "A project has %d lists of deleted annotations; not one more. Explanations of "
                "annotations of this list that have not ended will store their agreements",
                MAX_LISTS,
            )
            return
        self._store.put(key, body, content_type="application/json")

    def left(self, annotations: Sequence[int], folder: str) -> Iterator[int]:
        """Yield those of some annotations of the project in `folder` that were not deleted."""
        listed = self._listed(annotations, folder)
        for annotation in annotations:
            if annotation not in listed and not self._read(folder + deletion_name(annotation)):
                yield annotation

    def _listed(self, annotations: Collection[int], folder: str) -> set[int]:
        """Return those of some annotations that are in a list."""
        found, lists = set[int](), deletion_lists_folder(folder)
        for key in self._store.list_keys(lists):
            name, wanted = key.removeprefix(lists), set(annotations) - found
            if any(may_list(name, annotation) for annotation in wanted):
                found |= wanted.intersection(json.loads(self._read(key) or b"[]"))
        return found

    def _read(self, key: str) -> bytes | None:
        try:
            return self._store.get(key)
        except ObjectNotFound:
            return None
