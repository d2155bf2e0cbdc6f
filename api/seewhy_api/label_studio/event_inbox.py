"""The inbox of events: they are stored at once, and handled after the answer.

Label Studio waits a second for the answer to an event, and does not repeat it. To handle one takes
an image, which is often read from Label Studio itself. So an event is accepted when the object
store has it. The process that received it handles it; if that fails, or the process ends, any
process of the API does so later. To handle an event twice does no harm. Tenants take turns.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice

from seewhy.errors import (
    IdempotencyKeyBusy,
    ImageUnreachable,
    ObjectNotFound,
    Overloaded,
    QueueFull,
    RequestTooLarge,
    SeewhyError,
    Unavailable,
)
from seewhy.periodic import PeriodicTask
from seewhy.storage.keys import EVENTS_FOLDER, event_folder, event_key, received_ms_of
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.annotation_events import StoredEvent
from seewhy_api.label_studio.client import LabelStudioError
from seewhy_api.label_studio.tenant_queues import TenantQueues

MAX_EVENT_BYTES = 4_000_000
"""Of what is kept of an event: one brush mask of a large image takes some 10,000."""
MAX_WAITING = 1_000
"""Events of one tenant."""
HANDLED_AT_ONCE = 8
HANDLED_AT_ONCE_OF_TENANT = 2
RETRY_INTERVAL_S = 60.0
RETRY_LIMIT_MS = 24 * 3_600_000
"""How long an event is tried whose image cannot be read, or that is not understood."""
RETRY_AFTER_S = 60

_log = logging.getLogger(__name__)


class EventInbox:
    """The events that wait. One per process; any number of processes may share a store."""

    def __init__(self, store: ObjectStore, *, handle: Callable[[StoredEvent], bool]) -> None:
        """Keep events in `store` until `handle` has returned True or refused them.

        `handle` returns False when its time is up: then it continues in the next turn of the
        tenant. It raises `Unavailable`, `Overloaded`, `LabelStudioError` or `ImageUnreachable` when
        it may succeed later, and `IdempotencyKeyBusy` while another process handles the event.
        """
        self._store = store
        self._handle = handle
        self._threads = ThreadPoolExecutor(HANDLED_AT_ONCE, thread_name_prefix="annotations")
        self._queues = TenantQueues(at_once=HANDLED_AT_ONCE_OF_TENANT)
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        """The keys of events that this process handles, or has in its queues."""
        self._stopping = threading.Event()
        self._task = PeriodicTask(
            "annotations", self.retry_events, interval_s=RETRY_INTERVAL_S, wait_first=True
        )

    def start(self) -> None:
        """Start the thread that retries events."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current events; the others stay in the store."""
        self._stopping.set()
        self._task.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def accept(self, event: StoredEvent) -> None:
        """Store an event, and handle it soon.

        Raises `RequestTooLarge`, `QueueFull`, and `StoreUnavailable` when it is not stored.
        """
        body = event.model_dump_json().encode()
        if len(body) > MAX_EVENT_BYTES:
            raise RequestTooLarge(f"The annotation has more than {MAX_EVENT_BYTES:,} bytes.")
        tenant = event.context.tenant
        waiting = sum(1 for _ in islice(self._store.list_keys(event_folder(tenant)), MAX_WAITING))
        if waiting >= MAX_WAITING:
            raise QueueFull(
                f"{MAX_WAITING:,} annotations wait for their explanation. Retry later.",
                retry_after_s=RETRY_AFTER_S,
            )
        key = event_key(body, received_ms=_now_ms(), tenant=tenant)
        self._store.put(key, body, content_type="application/json")
        self._enqueue(key)

    def retry_events(self) -> None:
        """Queue the events that nobody has handled for a while. Raises `StoreUnavailable`."""
        oldest_ms = _now_ms() - round(1000 * RETRY_INTERVAL_S)
        for key in self._store.list_keys(f"{EVENTS_FOLDER}/"):
            if self._task.stopped:
                return
            if _is_due(key, oldest_ms):
                self._enqueue(key, is_later=True)

    def _enqueue(self, key: str, *, is_later: bool = False) -> None:
        with self._lock:
            if key in self._waiting:
                return
            self._waiting.add(key)
        self._queues.put(_tenant_of(key), key, is_later=is_later)
        with suppress(RuntimeError):  # the process stops; another one finds the event
            self._threads.submit(self._work)

    def _work(self) -> None:
        """Handle events until all of the tenants that may be served have been."""
        while not self._stopping.is_set() and (taken := self._queues.take()):
            tenant, key = taken
            if not self._work_on(key):
                self._queues.put(tenant, key, is_later=True)
            else:
                with self._lock:
                    self._waiting.discard(key)
            self._queues.done(tenant)

    def _work_on(self, key: str) -> bool:
        """Handle an event, and delete it unless it may succeed later. Never raises.

        Returns False when it takes another turn.
        """
        try:
            if not self._handle(StoredEvent.model_validate_json(self._store.get(key))):
                return False
        except ObjectNotFound:  # another process has handled it
            return True
        except (Unavailable, Overloaded, IdempotencyKeyBusy) as error:
            _log.info("Cannot handle an annotation yet: %s", error)
            return True
        except (LabelStudioError, ImageUnreachable) as error:
            _log.info("Cannot handle an annotation yet: %s", error)
            if not _is_old(key):
                return True
        except SeewhyError as error:
            _log.warning("Cannot explain what was annotated: %s", error)
        except Exception:  # noqa: BLE001 - a later release may handle it
            _log.exception("Cannot handle the event %s", key)
            if not _is_old(key):
                return True
        try:
            self._store.delete(key)
        except Unavailable as error:
            _log.info("An event will be handled once more: %s", error)
        return True


def _tenant_of(key: str) -> str:
    """Return the folder of the tenant of an event."""
    return key.rpartition("/")[0]


def _is_due(key: str, oldest_ms: int) -> bool:
    try:
        return received_ms_of(key) <= oldest_ms
    except ValueError:
        return False


def _is_old(key: str) -> bool:
    """Whether an event was tried for long enough."""
    return _now_ms() - received_ms_of(key) > RETRY_LIMIT_MS


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
