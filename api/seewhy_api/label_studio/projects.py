"""What each project of Label Studio has set up: its options, and a token for its images.

Label Studio sends them with `/setup` only, to any process of the API, and expects an answer in a
second. So a process remembers them at once, and writes the options to the object store later.
"""

import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from seewhy.errors import ObjectNotFound, StoreUnavailable
from seewhy.schemas.base_models import StoredModel
from seewhy.storage.keys import label_studio_project_key
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.tenant_queues import TenantQueues

MAX_PROJECTS = 1_000
"""How many projects of a tenant the store keeps."""
MAX_REMEMBERED = 250
"""How many projects of a tenant a process remembers: those that were set up last."""
MAX_REMEMBERED_TOTAL = 1_000
"""Of all tenants. The options of one take at most 170 kB of memory."""
MAX_WRITING = 10_000
"""How many projects of all tenants may wait to be written."""
MAX_AGE_S = 10.0
"""For how long a process believes what it remembers: another one may know better."""

_log = logging.getLogger(__name__)


class ProjectDocument(StoredModel):
    """The options of a project, as the object store keeps them."""

    options: BackendOptions


@dataclass(frozen=True, slots=True)
class Project:
    """What is known of a project."""

    options: BackendOptions
    version: str | None = None
    """The model version that the latest setup of this process was told."""
    token: str | None = None
    """The legacy token of the latest setup of this process. It is never written anywhere."""


@dataclass(slots=True)
class _Entry:
    project: Project
    set_at_s: float


class Projects:
    """The projects of one process, shared by its threads."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the options in `store`."""
        self._store = store
        self._lock = threading.Lock()
        self._entries: dict[str, OrderedDict[str, _Entry]] = {}
        """Tenant → name → what is known, the latest last."""
        self._writing: set[tuple[str, str]] = set()
        """The projects that wait to be written."""
        self._queues = TenantQueues(at_once=1)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="label-studio")

    def remember(self, name: str, project: Project, *, tenant: str) -> None:
        """Remember a project at once, and write its options later. Never blocks.

        Unchanged options are written, too: another process may have written others since.
        """
        key = (tenant, name)
        with self._lock:
            entries = self._entries.setdefault(tenant, OrderedDict())
            entries.pop(name, None)
            entries[name] = _Entry(project, time.monotonic())
            self._forget_some(entries)
            may_wait = self._queues.waiting(tenant) < MAX_REMEMBERED
            if not may_wait or key in self._writing or len(self._writing) >= MAX_WRITING:
                return
            self._writing.add(key)
        self._queues.put(tenant, name)
        self._writer.submit(self._write_next)

    def _forget_some(self, entries: OrderedDict[str, _Entry]) -> None:
        """Forget a project of a tenant that has too many, or the most if all have too many."""
        if len(entries) > MAX_REMEMBERED:
            entries.popitem(last=False)
        elif sum(map(len, self._entries.values())) > MAX_REMEMBERED_TOTAL:
            largest = max(self._entries, key=lambda tenant: len(self._entries[tenant]))
            self._entries[largest].popitem(last=False)
            if not self._entries[largest]:
                del self._entries[largest]

    def versions(self, *, tenant: str) -> tuple[str, ...]:
        """Return the model versions of the projects that this process remembers, latest first."""
        with self._lock:
            entries = list(self._entries.get(tenant, {}).values())
        versions = (entry.project.version for entry in reversed(entries))
        return tuple(dict.fromkeys(version for version in versions if version))

    def _entry(self, name: str, tenant: str) -> _Entry | None:
        with self._lock:
            return self._entries.get(tenant, OrderedDict[str, _Entry]()).get(name)

    def read(self, name: str, *, tenant: str) -> Project:
        """Return a project; one that was never set up has default options.

        Raises `StoreUnavailable` when only the store can know it.
        """
        entry = self._entry(name, tenant)
        if entry and time.monotonic() - entry.set_at_s < MAX_AGE_S:
            return entry.project
        try:
            stored = self._store.get(_key(tenant, name))
        except ObjectNotFound:
            return entry.project if entry else Project(BackendOptions())
        except StoreUnavailable:
            if entry:
                return entry.project
            raise
        options = ProjectDocument.model_validate_json(stored).options
        return replace(entry.project, options=options) if entry else Project(options)

    def _write_next(self) -> None:
        """Write the options of a project of the tenant whose turn it is."""
        if taken := self._queues.take():
            tenant, name = taken
            with self._lock:
                self._writing.discard(taken)
            try:
                self._write(name, tenant)
            finally:
                self._queues.done(tenant)

    def _write(self, name: str, tenant: str) -> None:
        entry = self._entry(name, tenant)
        if entry is None:
            return
        body = ProjectDocument(options=entry.project.options).model_dump_json().encode()
        try:
            self._store_options(_key(tenant, name), body)
        except StoreUnavailable as error:
            _log.warning("Cannot store the options of a Label Studio project: %s", error)

    def _store_options(self, key: str, body: bytes) -> None:
        """Store the options of a project, unless they would be those of one project too many."""
        try:
            if self._store.get(key) == body:
                return
        except ObjectNotFound:
            stored = self._store.list_keys(key[: key.rindex("/") + 1])
            if sum(1 for _ in islice(stored, MAX_PROJECTS)) == MAX_PROJECTS:
                _log.warning("A tenant has %d Label Studio projects; not one more", MAX_PROJECTS)
                return
        self._store.put(key, body, content_type="application/json")


def _key(tenant: str, name: str) -> str:
    return label_studio_project_key(name, tenant=tenant)
