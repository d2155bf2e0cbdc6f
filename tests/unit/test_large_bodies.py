"""Large bodies take turns in one thread, leave time to others, and do not hold all threads."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from seewhy.errors import TooManyLargeBodies
from seewhy.settings import load
from seewhy_api.http.json_body import MAX_JSON_BYTES
from seewhy_api.label_studio import large_bodies
from seewhy_api.label_studio.large_bodies import LargeBodies
from servers.waiting import wait_until

SMALL, LARGE = b"x" * MAX_JSON_BYTES, b"x" * (MAX_JSON_BYTES + 1)


def request_of(body: bytes) -> Request:
    return Request(EnvironBuilder(method="POST", data=body).get_environ())


@pytest.fixture
def bodies() -> LargeBodies:
    """Large bodies of an API with eight threads: three at once, two of one tenant."""
    return LargeBodies(load({}, api_threads=8))


def holds(bodies: LargeBodies, count: int) -> bool:
    return bodies._slots.used == count


def held_until(released: threading.Event, begun: threading.Semaphore) -> Callable[[bytes], int]:
    def parse(body: bytes) -> int:
        begun.release()
        assert released.wait(20)
        return len(body)

    return parse


def test_one_large_body_is_parsed_at_a_time_and_small_ones_beside_it(bodies: LargeBodies) -> None:
    released, begun = threading.Event(), threading.Semaphore(0)
    parse, second = held_until(released, begun), request_of(LARGE)
    with ThreadPoolExecutor(2) as threads:
        try:
            sent = [
                threads.submit(bodies.parse, each, parse, tenant="a")
                for each in (request_of(LARGE), second)
            ]
            assert begun.acquire(timeout=20)
            assert bodies.parse(request_of(SMALL), len, tenant="a") == len(SMALL)
            assert not begun.acquire(timeout=0.2)
            assert second.stream.tell() == 0, "the body that waits is not in memory"
        finally:
            released.set()
        assert [each.result(20) for each in sent] == [len(LARGE)] * 2


def test_all_large_bodies_are_parsed_by_one_thread(bodies: LargeBodies) -> None:
    def parse(_: bytes) -> int:
        return threading.get_ident()

    with ThreadPoolExecutor(2) as threads:
        sent: list[Future[int]] = [
            threads.submit(bodies.parse, request_of(LARGE), parse, tenant="a") for _ in range(2)
        ]
        (used,) = {each.result(20) for each in sent}
    assert bodies.parse(request_of(SMALL), parse, tenant="a") == threading.get_ident() != used


def test_a_tenant_beyond_its_share_and_all_beyond_theirs_are_refused(bodies: LargeBodies) -> None:
    released = threading.Event()
    parse = held_until(released, threading.Semaphore(0))
    with ThreadPoolExecutor(3) as threads:
        try:
            for count, tenant in enumerate("aab", start=1):
                threads.submit(bodies.parse, request_of(LARGE), parse, tenant=tenant)
                wait_until(partial(holds, bodies, count), what="it waits")
                if count == 2:
                    with pytest.raises(TooManyLargeBodies, match=r"\(2\)"):
                        bodies.parse(request_of(LARGE), len, tenant="a")
            with pytest.raises(TooManyLargeBodies, match=r"\(3\)"):
                bodies.parse(request_of(LARGE), len, tenant="c")
        finally:
            released.set()
    assert bodies.parse(request_of(LARGE), len, tenant="c") == len(LARGE)


def test_the_next_one_waits_three_times_the_processor_time_of_the_last(
    bodies: LargeBodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_s, slept = iter([1.0, 1.5, 1.5, 1.5]), list[float]()
    clock = SimpleNamespace(
        thread_time=lambda: next(used_s), monotonic=lambda: 100.0, sleep=slept.append
    )
    monkeypatch.setattr(large_bodies, "time", clock)
    for _ in range(2):
        bodies.parse(request_of(LARGE), len, tenant="a")
    assert slept == [0.0, 1.5]
