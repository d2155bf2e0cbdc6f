"""The server limits concurrent requests; responses that are being streamed do not count."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from seewhy_api.server import ConcurrencyLimiter
from servers.waiting import wait_until


def start_response(*_: object) -> None:
    pass


def test_requests_above_the_limit_wait_and_streaming_responses_do_not_count() -> None:
    running: list[str] = []
    release = {name: threading.Event() for name in ("first", "second", "third")}

    def app(environ: dict[str, Any], _: Any) -> Iterable[bytes]:
        running.append(environ["name"])
        assert release[environ["name"]].wait(timeout=60)
        return iter([b"streamed later"])

    limiter = ConcurrencyLimiter(app, limit=2)
    responses: dict[str, Iterable[bytes]] = {}

    def call(name: str) -> None:
        responses[name] = limiter({"name": name}, start_response)

    def has_started(count: int) -> Callable[[], bool]:
        return lambda: len(running) == count

    threads = []
    for n, name in enumerate(release):
        threads.append(threading.Thread(target=call, args=(name,)))
        threads[-1].start()
        wait_until(has_started(min(n + 1, 2)), what=f"{name} has arrived")
    assert running == ["first", "second"]
    release["first"].set()
    wait_until(has_started(3), what="the third request runs")
    assert list(responses["first"]) == [b"streamed later"]
    release["second"].set()
    release["third"].set()
    for thread in threads:
        thread.join(timeout=60)
    assert responses.keys() == release.keys()


def test_a_failed_request_frees_its_slot() -> None:
    def app(environ: dict[str, Any], _: Any) -> Iterable[bytes]:
        if environ["fails"]:
            raise ValueError
        return [b"ok"]

    limiter = ConcurrencyLimiter(app, limit=1)
    for fails in (True, True, False):
        try:
            response = limiter({"fails": fails}, start_response)
        except ValueError:
            assert fails
    assert response == [b"ok"]
