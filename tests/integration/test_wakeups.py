"""Wakeups over a real broker."""

from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.ledger.types import wakeup_queue
from servers.valkey import RedisServer

LANE = "m:interactive"


def publisher(url: str) -> WakeupPublisher:
    return WakeupPublisher(create_celery(url, lanes=[LANE]))


def test_each_wakeup_is_one_message_in_the_list_that_the_ledger_counts(
    valkey: RedisServer,
) -> None:
    with valkey.client() as client:
        client.flushdb()
        assert publisher(valkey.url).notify(LANE, times=3)
        assert client.llen(wakeup_queue(LANE)) == 3


def test_a_refused_wakeup_is_reported_and_not_raised(unused_port: int) -> None:
    assert not publisher(f"redis://127.0.0.1:{unused_port}/0").notify(LANE)
