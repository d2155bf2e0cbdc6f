"""The inbox of events: no tenant waits for what another one waits for."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seewhy.schemas.context import RequestContext
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio import event_inbox
from seewhy_api.label_studio.annotation_events import StoredEvent
from seewhy_api.label_studio.event_inbox import HANDLED_AT_ONCE, EventInbox
from servers.waiting import wait_until

Handle = Callable[[StoredEvent], bool]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(load({}, store_url=f"file://{tmp_path}"))


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What the image host of the tenant `slow` waits for."""
    event = threading.Event()
    yield event
    event.set()


def event_of(tenant: str, annotation: int) -> StoredEvent:
    return StoredEvent.model_validate(
        {
            "context": RequestContext(tenant=tenant),
            "quotas": None,
            "event": {
                "action": "ANNOTATIONS_DELETED",
                "annotations": [{"id": annotation}],
                "project": {"id": 1, "created_at": "2026-11-22T20:07:17Z"},
            },
        }
    )


def waiting(store: ObjectStore) -> int:
    return len(list(store.list_keys("label-studio-events/")))


@pytest.mark.parametrize("are_retried", [False, True], ids=["new events", "events tried again"])
def test_a_tenant_whose_images_hang_does_not_delay_another(
    store: ObjectStore,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    are_retried: bool,
) -> None:
    handled: list[str] = []

    def handle(stored: StoredEvent) -> bool:
        if stored.context.tenant == "slow":
            released.wait(60)
        handled.append(stored.context.tenant)
        return True

    inbox = EventInbox(store, handle=handle)
    if are_retried:
        monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
        stopped = EventInbox(store, handle=handle)
        stopped.stop()
    receiver = stopped if are_retried else inbox
    for number in range(2 * HANDLED_AT_ONCE):
        receiver.accept(event_of("slow", number))
    receiver.accept(event_of("quick", 1))
    if are_retried:
        inbox.retry_events()
    wait_until(lambda: handled == ["quick"], what="the other tenant is served")
    released.set()
    wait_until(lambda: waiting(store) == 0, what="all events are handled")
    assert len(handled) == 2 * HANDLED_AT_ONCE + 1
    inbox.stop()


def test_an_event_whose_time_is_up_continues_after_those_of_its_tenant_that_are_new(
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_inbox, "HANDLED_AT_ONCE_OF_TENANT", 1)
    handled: list[int] = []
    begun, more = threading.Event(), threading.Event()

    def handle(stored: StoredEvent) -> bool:
        (annotation,) = stored.event.annotations  # type: ignore[union-attr]
        handled.append(annotation.id)
        begun.set()
        assert more.wait(60)
        return annotation.id != 1 or handled.count(1) == 3

    inbox = EventInbox(store, handle=handle)
    inbox.accept(event_of("t", 1))
    assert begun.wait(60)
    inbox.accept(event_of("t", 2))
    more.set()
    wait_until(lambda: waiting(store) == 0, what="all events are handled")
    assert handled == [1, 2, 1, 1]
    inbox.stop()
